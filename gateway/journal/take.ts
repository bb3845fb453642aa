/** What a transaction does with a batch, with what the queue has settled, and with what an operator declares lost. */
import type { Block } from "../../shared/block/block.ts";
import { type LossReason, lossBlock } from "../../shared/block/loss.ts";
import { Fault } from "../../shared/errors.ts";
import { rangesMax } from "../../shared/limits.ts";
import type { Batch, Clock } from "../../shared/protocol/messages.ts";
import {
  add,
  beyond,
  clip,
  covers,
  gaps,
  merged,
  type Span,
  sizeOf,
  subtract,
  union,
  withinCount,
} from "../../shared/ranges.ts";
import type { Lane, LanePosition } from "../queue/queue.ts";
import { judgeBlocks, opensTooMany, rangeOf } from "./dedupe.ts";
import type { Answer, JournalEntry, LaneState, Refusal } from "./journal.ts";
import { grownForwarded, knownEnd } from "./lane-notes.ts";
import type { LaneRow } from "./lanes.ts";
import { ensureLane, noteNewest, noteRecord } from "./notes.ts";
import { fullRetryMs, refusal, refusedWhole } from "./refusals.ts";
import type { Tables } from "./tables.ts";

/** What a block takes beside its bytes: two rows and their indexes. */
const rowBytes = 256;

/** The answer about a lane that was forgotten; undefined where it was not. */
export function expired(tables: Tables, lane: Lane, storeId: string, run: number): Answer | undefined {
  const floor = tables.stores.floorOf(lane.agent, storeId);
  if (run > floor || (tables.lanes.find(lane)?.version ?? 0) > 0) return undefined;
  return refusedWhole({ ...refusal("expired"), floor });
}

export function stateOf(lane: Lane, row: LaneRow | undefined): LaneState {
  return { lane, version: row?.version ?? 0, journaled: row?.journaled ?? [], forwarded: row?.forwarded ?? [] };
}

/**
 * Takes what is new of a batch (I4).
 * @param mayTake false where nothing new may come: the disk is full, or the lane is being forgotten
 */
export function takeBatch(
  tables: Tables,
  agent: string,
  batch: Batch,
  mayTake: (lane: Lane, sizeBytes: number) => Refusal | undefined,
): Answer {
  const { record } = batch;
  const lane = { agent, stream: batch.stream, epoch: record.epoch };
  const tooOld = expired(tables, lane, record.storeId, record.run);
  if (tooOld !== undefined) return tooOld;
  noteRecord(tables, agent, record);
  const found = ensureLane(tables, lane, record.storeId, record.run);
  if (found === undefined) return refusedWhole(refusal("full", null, fullRetryMs));
  const row = noteNewest(tables, found, batch.newest);

  const { pieces, journaled, refusals } = judgeBlocks(row.journaled, row.forwarded, batch.blocks);
  if (pieces.length === 0) return { state: stateOf(lane, row), refusals };
  const sizeBytes = pieces.reduce((sum, { bytes }) => sum + bytes.length + rowBytes, 0);
  const hindered = mayTake(lane, sizeBytes);
  if (hindered !== undefined) return refusedWhole(hindered);
  return { state: stateOf(lane, store(tables, row, pieces, batch.clock, journaled)), refusals };
}

function store(
  tables: Tables,
  row: LaneRow,
  pieces: readonly Block[],
  clock: Clock,
  journaled: LaneRow["journaled"],
): LaneRow {
  for (const block of pieces) tables.entries.insert(row.id, block, clock);
  return tables.lanes.save({ ...row, version: row.version + 1, waiting: row.waiting + pieces.length, journaled });
}

/**
 * Takes over what the queue has committed, and removes those of the entries that it covers: a journal that went back
 * gives ids out again, and the entry that has one now may wait still (I6). Under one journal id, forwarded only grows.
 */
export function settleEntries(tables: Tables, entryIds: readonly number[], positions: readonly LanePosition[]): void {
  const { lanes, entries } = tables;
  for (const position of positions) {
    const row = lanes.find(position.lane) ?? lanes.create(position.lane, position.storeId, position.run);
    const forwarded = grownForwarded(row.forwarded, position.forwarded);
    const journaled = beyond(forwarded, row.journaled).length === 0 ? row.journaled : union(row.journaled, forwarded);
    lanes.save({ ...row, version: row.version + 1, journaled, forwarded });
  }
  for (const id of entryIds) {
    const head = entries.head(id);
    const row = head === undefined ? undefined : lanes.byId(head.laneId);
    if (head === undefined || row === undefined) continue;
    if (!covers(row.forwarded, head.range.first, head.range.last)) continue;
    entries.remove(id);
    lanes.save({ ...row, waiting: row.waiting - 1 });
  }
}

/** Cuts a damaged entry out of its position, except for what the queue has already: what is missing comes again. */
export function cutEntry(tables: Tables, entry: JournalEntry, forwarded: LaneRow["forwarded"]): void {
  const { lanes, entries } = tables;
  const laneId = entries.remove(entry.id);
  const row = laneId === undefined ? undefined : lanes.byId(laneId);
  if (row === undefined) return;
  const range = rangeOf(entry.block);
  const lost = gaps(union(forwarded, row.forwarded), range.first, range.last);
  const journaled = lost.reduce((ranges, span) => subtract(ranges, clip(range, span)), row.journaled);
  lanes.save({ ...row, version: row.version + 1, waiting: row.waiting - 1, journaled });
}

/**
 * Fills open seqs that somebody is known to have given out with loss records (I6). Their chains are unknown.
 * @returns how many seqs were filled
 */
export function declare(tables: Tables, lane: Lane, spans: readonly Span[], reason: LossReason): number {
  const row = tables.lanes.find(lane);
  if (row === undefined) {
    throw new Fault("bad-input", { what: `the journal knows nothing of ${lane.agent}/${lane.stream}/${lane.epoch}` });
  }
  const known = [{ first: knownEnd(row) + 1, last: Number.MAX_SAFE_INTEGER }];
  const open = beyond(beyond(merged(spans), known), row.journaled).filter((span) => span.last >= 1);
  if (open.length === 0) return 0;
  const filled = open.reduce((ranges, span) => add(ranges, { ...span, before: null, after: null }), row.journaled);
  const journaled = withinCount(filled, rangesMax);
  if (opensTooMany(row.journaled, journaled)) {
    throw new Fault("too-large", {
      what: `${open.length} gaps cannot be filled at once`,
      why: `a position has at most ${rangesMax} ranges`,
      remedy: "declare fewer of them lost, beginning with the lowest",
    });
  }
  const pieces = open.map((span) =>
    lossBlock(
      { reason, fromUs: null, toUs: null },
      { first: span.first, count: span.last - span.first + 1, before: null, after: null, repeated: false },
    ),
  );
  store(tables, row, pieces, { segment: 0, offsetUs: 0, quality: "unsynced" }, journaled);
  return sizeOf(open);
}
