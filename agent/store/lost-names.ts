/**
 * Naming what a take-over did not find: every seq of a live epoch that was given out, is not known to be journaled, and
 * is in no row and no edge any more gets a loss record (I6).
 */
import { lastOf } from "../../shared/block/block.ts";
import { lossBlock } from "../../shared/block/loss.ts";
import { type Chain, chainStart } from "../../shared/chain.ts";
import { gaps, type Ranges, type Span } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";
import { type BlockTable, type NewRow, openBlocks, pending } from "./blocks.ts";
import { type EdgeTable, openEdges, placeOnly } from "./edges.ts";
import { openEpochs } from "./epochs.ts";
import { type Lane, openLanes } from "./lanes.ts";

/**
 * Must run inside a transaction.
 * @param ends by "run/stream", seqs that were given out for certain
 * @returns the number of readings that had to be named lost
 */
export function nameTheRest(to: Db, ends: ReadonlyMap<string, number>): number {
  const blocks = openBlocks(to);
  const lanes = openLanes(to, blocks);
  const edges = openEdges(to);
  const lastSeqs = lastSeqsOf(to);
  addMissingLanes(to);
  const rows = to
    .prepare(
      `SELECT run, stream, epoch.epoch AS epoch, stream.name AS name FROM lane
       JOIN epoch USING(run) JOIN stream ON stream.id = lane.stream WHERE epoch.state = 0`,
    )
    .all() as { run: number; stream: number; epoch: string; name: string }[];
  const forgetTally = to.prepare("UPDATE lane SET tally=?, tallied_to=0 WHERE run=? AND stream=?");
  let lost = 0;
  for (const { run, stream, epoch, name } of rows) {
    forgetTally.run(emptyTally, run, stream);
    const lane = lanes.load(run, stream, name, epoch);
    const toldLast = Math.max(lastSeqs.get(`${epoch}/${name}`) ?? 0, ends.get(`${run}/${stream}`) ?? 0);
    lane.last = Math.max(lane.last, toldLast);
    lost += nameLane(blocks, edges, lane);
    lanes.save(lanes.load(run, stream, name, epoch));
  }
  if (lost > 0) {
    to.prepare(
      `INSERT INTO tally(reason, readings) VALUES ('corrupt', ?)
       ON CONFLICT(reason) DO UPDATE SET readings = readings + excluded.readings`,
    ).run(lost);
  }
  return lost;
}

function nameLane(blocks: BlockTable, edges: EdgeTable, lane: Lane): number {
  const left = edges.within(lane.run, lane.stream, everything).filter((edge) => edge.state !== placeOnly);
  const known = [...heldSpans(blocks, lane), ...left, ...lane.journaled, ...lane.forwarded];
  const end = known.reduce((highest, span) => Math.max(highest, span.last), lane.last);
  let lost = 0;
  for (const gap of gaps(sorted(known), 1, end)) {
    // With the chains of its neighbours it joins them at the journal; unknown ones would leave two seams for each loss,
    // and a few hundred of these are more ranges than a position may have (I8).
    const before = chainAt(blocks, edges, lane, gap.first - 1);
    const after = chainAt(blocks, edges, lane, gap.last);
    const count = gap.last - gap.first + 1;
    const place = { first: gap.first, count, before, after, repeated: false };
    const { bytes, ...block } = lossBlock({ reason: "corrupt", fromUs: null, toUs: null }, place);
    const row: NewRow = {
      ...block,
      run: lane.run,
      stream: lane.stream,
      state: pending,
      segment: 0,
      minUs: null,
      maxUs: null,
    };
    blocks.insert(row, bytes);
    lost += count;
  }
  return lost;
}

function chainAt(blocks: BlockTable, edges: EdgeTable, lane: Lane, seq: number): Chain {
  if (seq === 0) return chainStart(lane.epoch, lane.name);
  const row = blocks.holding(lane.run, lane.stream, seq);
  if (row !== undefined && lastOf(row) === seq) return row.after;
  const next = blocks.holding(lane.run, lane.stream, seq + 1);
  if (next !== undefined && next.first === seq + 1) return next.before;
  const ranges: Ranges = [...lane.journaled, ...lane.forwarded];
  return (
    edges.chainAt(lane.run, lane.stream, seq) ??
    ranges.find((range) => range.last === seq)?.after ??
    ranges.find((range) => range.first === seq + 1)?.before ??
    null
  );
}

/** The seqs of the rows of a lane, joined, so that a store of a million blocks costs no memory. */
function heldSpans(blocks: BlockTable, lane: Lane): Span[] {
  const spans: { first: number; last: number }[] = [];
  for (const row of blocks.within(lane.run, lane.stream, everything)) {
    const tail = spans[spans.length - 1];
    if (tail !== undefined && tail.last + 1 === row.first) tail.last = lastOf(row);
    else spans.push({ first: row.first, last: lastOf(row) });
  }
  return spans;
}

/** Blocks whose lane could not be read get one without a position, or nobody would ever send them. */
function addMissingLanes(to: Db): void {
  to.prepare(
    `INSERT OR IGNORE INTO lane(run, stream, last, journaled, forwarded, verified, gone, version, tally, tallied_to)
     SELECT DISTINCT run, stream, 0, '[]', '[]', '[]', '[]', 0, ?, 0 FROM block`,
  ).run(emptyTally);
}

/** By epoch and stream, the last seqs that successors' records name. */
function lastSeqsOf(to: Db): Map<string, number> {
  const found = new Map<string, number>();
  const epochs = openEpochs(to);
  for (const run of to.prepare("SELECT run FROM epoch").pluck().all() as number[]) {
    const predecessor = epochs.get(run)?.record.predecessor;
    for (const [stream, last] of predecessor?.lastSeqs ?? []) found.set(`${predecessor?.epoch}/${stream}`, last);
  }
  return found;
}

const everything: Span = { first: 1, last: Number.MAX_SAFE_INTEGER };
const emptyTally = JSON.stringify([0, 1, 2].map(() => ({ blocks: 0, readings: 0, bytes: 0 })));

function sorted(spans: readonly Span[]): Span[] {
  return [...spans].sort((a, b) => a.first - b.first);
}
