/**
 * Applying a POSITION to a lane: what its judgement means for every block. Reading never deletes (I2): blocks only
 * change their state here; room is made elsewhere.
 */
import { lastOf } from "../../shared/block/block.ts";
import type { Chain } from "../../shared/chain.ts";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Position } from "../../shared/protocol/messages.ts";
import { beyond, covers, type Ranges, type Span, touches } from "../../shared/ranges.ts";
import { giveUp } from "./again.ts";
import { type BlockRow, type BlockState, forwarded, journaled, pending } from "./blocks.ts";
import { type Core, isOpen } from "./core.ts";
import { placeOnly } from "./edges.ts";
import { settled } from "./epochs.ts";
import { type Judgement, judge, type OwnEdges } from "./judge.ts";
import { count, type Lane } from "./lanes.ts";
import { recut } from "./recut.ts";

/** `applied`, `stale` (an older version), or `forked`: the epoch was given up and appended again. */
export type Applied = "applied" | "stale" | "forked";

/** Applies a position that carries the session's nonce and its WELCOME's journal id. One transaction. */
export function applyPosition(core: Core, lane: Lane, position: Position, change = core.transact): Applied {
  if (lane.journalId === position.journalId && position.version < lane.version) return "stale";
  // Giving up an older epoch closes the open one without a restart. It stays this process's own: judged as a closed one,
  // the other copy of a forked process could have written it, merged blocks would hide the edge that tells, and what
  // this process wrote would be believed to be there.
  const open = core.ownRuns.has(lane.run);
  const judgement = judge(position.journaled, position.forwarded, ownEdges(core, lane), open);
  const partly = partlyCovered(core, lane, position.journaled);
  return change(() => {
    lane.verified = unionOf(lane.verified, judgement.verified);
    if (judgement.fork || (open && partly.length > 0)) {
      giveUp(core, [lane.run], "verified");
      return "forked";
    }
    for (const row of partly) recut(core, lane, row, position.journaled);
    note(core, lane, judgement);
    lane.journalId = position.journalId;
    lane.version = position.version;
    lane.waiting = judgement.waiting;
    core.lanes.save(lane);
    if (!isOpen(core, lane)) settleEpoch(core, lane.run);
    crashPoint("settle before commit");
    return "applied";
  });
}

/** The own edges of a lane: the ends of its blocks and of those that left, and seq 0. */
function ownEdges(core: Core, lane: Lane): OwnEdges {
  return {
    chainAt(seq): Chain | undefined {
      if (seq === lane.last) return lane.chain;
      const row = core.blocks.holding(lane.run, lane.stream, seq);
      if (row !== undefined && lastOf(row) === seq) return row.after;
      const next = core.blocks.holding(lane.run, lane.stream, seq + 1);
      if (next !== undefined && next.first === seq + 1) return next.before;
      return core.edges.chainAt(lane.run, lane.stream, seq);
    },
  };
}

/** Pending blocks of readings that ranges cover in part: only the blocks at the ends of ranges can be. */
function partlyCovered(core: Core, lane: Lane, ranges: Ranges): BlockRow[] {
  const found = new Map<number, BlockRow>();
  for (const range of ranges) {
    for (const seq of [range.first, range.last]) {
      const row = core.blocks.holding(lane.run, lane.stream, seq);
      if (row === undefined || row.state !== pending || row.codec === 0) continue;
      if (!covers(ranges, row.first, lastOf(row))) found.set(row.first, row);
    }
  }
  return [...found.values()];
}

/** Brings the states of blocks and edges in line with what is journaled and forwarded now. */
function note(core: Core, lane: Lane, now: Judgement): void {
  const changed = [
    ...beyond(now.journaled, lane.journaled),
    ...beyond(lane.journaled, now.journaled),
    ...beyond(now.forwarded, lane.forwarded),
    ...beyond(lane.forwarded, now.forwarded),
  ];
  const stateOf = (first: number, last: number): BlockState => {
    if (covers(now.forwarded, first, last)) return forwarded;
    // What a newer position lacks is pending again, whether it was journaled or even forwarded: what is missing comes again.
    return covers(now.journaled, first, last) ? journaled : pending;
  };
  for (const span of changed) {
    for (const row of core.blocks.within(lane.run, lane.stream, span)) {
      const state = stateOf(row.first, lastOf(row));
      if (state === row.state) continue;
      // A row that two changed spans touch comes twice; its second visit finds the state it already has.
      if (row.state === pending && row.codec !== 0) core.readingsDelivered += row.count;
      core.blocks.setState(row, state);
      count(lane.tallies[row.state], row, -1);
      count(lane.tallies[state], row, 1);
    }
    for (const edge of core.edges.within(lane.run, lane.stream, span)) {
      if (edge.state === placeOnly || touches(now.waiting, edge.first, edge.last)) continue;
      const state = stateOf(edge.first, edge.last);
      if (state !== edge.state) core.edges.setState(lane.run, lane.stream, edge.last, state);
    }
  }
  if (changed.length === 0) return;
  lane.journaled = now.journaled;
  lane.forwarded = now.forwarded;
  pruneEdges(core, lane);
  // Joined, so that a journal that loses a million evicted blocks does not make a million spans of it (I8).
  lane.gone = unionOf([], core.edges.inState(lane.run, lane.stream, pending));
}

/**
 * Drops the edges that can never be the end of a range again: those strictly inside a forwarded range, and inside a
 * journaled one. The queue forgets nothing, so its ranges only grow and join.
 */
export function pruneEdges(core: Core, lane: Lane): void {
  for (const done of lane.forwarded) {
    for (const range of lane.journaled) {
      const span = { first: Math.max(done.first, range.first), last: Math.min(done.last, range.last) };
      if (span.first < span.last) core.edges.prune(lane.run, lane.stream, span);
    }
  }
}

/**
 * An epoch that is closed and forwarded to its last seq is settled: nobody asks for it again.
 * @returns true where it was
 */
function settleEpoch(core: Core, run: number): boolean {
  const epoch = core.live.get(run);
  if (epoch === undefined || run === core.openRun) return false;
  for (const lane of epoch.lanes.values()) {
    if (lane.last > 0 && !covers(lane.forwarded, 1, lane.last)) return false;
  }
  core.epochs.setState(run, settled);
  core.edges.remove(run);
  core.live.delete(run);
  core.loadLanes();
  return true;
}

/** Settles what was wholly forwarded while it was open, or never got a block, those loaded in its place included. */
export function settleAll(core: Core): void {
  while ([...core.live.keys()].filter((run) => settleEpoch(core, run)).length > 0);
}

function unionOf(spans: readonly Span[], added: readonly Span[]): Span[] {
  const sorted = [...spans, ...added].sort((a, b) => a.first - b.first);
  const joined: { first: number; last: number }[] = [];
  for (const span of sorted) {
    const previous = joined[joined.length - 1];
    if (previous !== undefined && span.first <= previous.last + 1) {
      previous.last = Math.max(previous.last, span.last);
    } else {
      joined.push({ first: span.first, last: span.last });
    }
  }
  return joined;
}
