/**
 * Small blocks merge once, in the store: a device that appends single readings would otherwise send and keep a block
 * each. Only neighbours that were never sent merge, since the wire knows a block by its ends; the merged block keeps the
 * last chain value.
 */
import { lastOf } from "../../shared/block/block.ts";
import type { Columns } from "../../shared/block/columns.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import { type EncodedBlock, encodeBlocks } from "../../shared/block/encode.ts";
import { mergeColumns } from "../../shared/block/gather.ts";
import { crashPoint } from "../../shared/crash-point.ts";
import { blockReadingsMax } from "../../shared/limits.ts";
import { type BlockRow, pending } from "./blocks.ts";
import { type Core, isOpen, lanesOf } from "./core.ts";
import { readColumns } from "./damage.ts";
import { count, firstMissing, type Lane } from "./lanes.ts";

/** A block below this many readings is worth merging: the codec's ratio is flat from about here (measured). */
export const mergeReadings = 1_000;
/** Neighbours merge at the latest when this many wait, however few readings they hold. */
const mergeBlocksMax = 1_000;
/** Rows that are looked at first, and runs that one transaction merges. */
const fewRows = 128;
const runsAtOnce = 4;
/** Bytes of one merge before decoding: bounds its memory and its time. */
const mergeBytesMax = 64 * 1024;

export interface Choice {
  /** Neighbours worth merging; empty where there are none. */
  readonly run: readonly BlockRow[];
  /** Where to look next: behind the run, or at the small blocks at the end that wait for more. */
  readonly resume: number;
}

/**
 * Chooses the first run of neighbours worth merging. Pure.
 * @param rows blocks of one lane in order
 * @param isSent whether a block was ever sent
 * @param isAll true where no block will ever follow: then the last ones wait for nothing
 */
export function chooseRun(rows: readonly BlockRow[], isSent: (row: BlockRow) => boolean, isAll: boolean): Choice {
  let run: BlockRow[] = [];
  let readings = 0;
  let sizeBytes = 0;
  const end = (): number => lastOf(run[run.length - 1] as BlockRow) + 1;
  const joins = (row: BlockRow, head: BlockRow): boolean =>
    row.segment === head.segment &&
    row.repeated === head.repeated &&
    row.first === end() &&
    readings + row.count <= blockReadingsMax &&
    sizeBytes + row.sizeBytes <= mergeBytesMax;
  for (const row of rows) {
    const small = row.state === pending && row.codec !== 0 && row.count < mergeReadings && !isSent(row);
    if (run[0] !== undefined && !(small && joins(row, run[0]))) {
      // What would not fit with the next block merges as it is; a single block stays.
      if (run.length > 1) return { run, resume: end() };
      run = [];
      readings = sizeBytes = 0;
    }
    if (!small) continue;
    run.push(row);
    readings += row.count;
    sizeBytes += row.sizeBytes;
    if (run.length > 1 && (readings >= mergeReadings || run.length >= mergeBlocksMax)) return { run, resume: end() };
  }
  const tail = rows[rows.length - 1];
  const behind = tail === undefined ? 1 : lastOf(tail) + 1;
  if (isAll) return { run: run.length > 1 ? run : [], resume: behind };
  return { run: [], resume: run[0]?.first ?? behind };
}

/** How far a lane has been looked through, and its last seq then. */
interface Looked {
  readonly resume: number;
  readonly last: number;
}

/** Returns a function that looks through one page of one lane, merges a run there, and tells whether there is more. */
export function createMerger(core: Core): () => boolean {
  let looked = new Map<string, Looked>();
  return () => {
    const lanes = [...lanesOf(core)];
    for (const lane of lanes) {
      const { resume: from, last } = looked.get(keyOf(lane)) ?? { resume: firstMissing(lane), last: -1 };
      // Where nothing was appended since, nothing has changed: a backlog of many epochs must cost nothing while it waits.
      if (lane.last === last) continue;
      const { runs, resume, isEnd } = chooseRuns(core, lane, from);
      // One transaction for some runs: its fsync is what a merge costs most.
      if (runs.length > 0) {
        core.transact(() => {
          for (const run of runs) replaceRun(core, lane, run);
        });
      }
      const isDone = runs.length === 0 && isEnd;
      looked.set(keyOf(lane), { resume: Math.max(from, resume), last: isDone ? lane.last : -1 });
      if (!isDone) return true;
    }
    looked = new Map(lanes.flatMap((lane) => [[keyOf(lane), looked.get(keyOf(lane)) as Looked]]));
    return false;
  };
}

/** Runs of a lane at or behind `from`: as many as one transaction takes, and where to look next. */
function chooseRuns(core: Core, lane: Lane, start: number): { runs: BlockRow[][]; resume: number; isEnd: boolean } {
  const ahead = core.blocks.lookForSmall(lane.run, lane.stream, start, mergeReadings);
  if (ahead.small === null) return { runs: [], resume: Math.max(start, (ahead.last ?? 0) + 1), isEnd: ahead.isEnd };
  const from = ahead.small;
  // Blocks of a request of 100 readings fill a run with ten rows; those of single readings need a thousand.
  for (const limit of [fewRows, mergeBlocksMax]) {
    let rows = core.blocks.page(lane.run, lane.stream, from, limit);
    const isEnd = rows.length < limit;
    const isAll = isEnd && !isOpen(core, lane);
    const runs: BlockRow[][] = [];
    let resume = from;
    while (runs.length < runsAtOnce) {
      const choice = chooseRun(rows, core.wasSent, isAll);
      resume = Math.max(resume, choice.resume);
      if (choice.run.length === 0) break;
      runs.push([...choice.run]);
      rows = rows.filter((row) => row.first >= choice.resume);
    }
    if (runs.length > 0 || isEnd || limit === mergeBlocksMax) return { runs, resume, isEnd };
  }
  throw new Error("unreachable: the last limit always returns");
}

const keyOf = (lane: Lane): string => `${lane.run}/${lane.stream}`;

function replaceRun(core: Core, lane: Lane, run: readonly BlockRow[]): void {
  const parts: Columns[] = [];
  for (const row of run) {
    const part = readColumns(core, lane, row);
    if (part === undefined) return;
    parts.push(part);
  }
  const columns = mergeColumns(parts);
  const [merged, ...more] = encodeBlocks(columns);
  // Blocks are replaced only by bytes that were seen to hold the same readings.
  if (merged === undefined || more.length > 0 || !holdsSame(merged, columns)) return;
  const head = run[0] as BlockRow;
  const tail = run[run.length - 1] as BlockRow;
  for (const row of run) {
    core.blocks.remove(row);
    count(lane.tallies[pending], row, -1);
  }
  core.blocks.insert(
    {
      run: lane.run,
      stream: lane.stream,
      first: head.first,
      count: columns.count,
      state: pending,
      codec: merged.codec,
      rawBytes: merged.rawBytes,
      crc: merged.crc,
      repeated: head.repeated,
      segment: head.segment,
      minUs: merged.minUs,
      maxUs: merged.maxUs,
      before: head.before,
      after: tail.after,
    },
    merged.bytes,
  );
  count(lane.tallies[pending], { count: columns.count, sizeBytes: merged.bytes.length }, 1);
  core.lanes.save(lane);
  crashPoint("merge before commit");
}

function holdsSame(merged: EncodedBlock, columns: Columns): boolean {
  const decoded = decodeBlock(merged.codec, merged.rawBytes, merged.bytes);
  if (decoded.count !== columns.count || decoded.series.length !== columns.series.length) return false;
  for (let row = 0; row < columns.count; row++) {
    const a = columns.series[columns.rowSeries[row] as number];
    const b = decoded.series[decoded.rowSeries[row] as number];
    if (a?.name !== b?.name || a?.unit !== b?.unit || a?.stamped !== b?.stamped) return false;
    if (decoded.timesUs[row] !== columns.timesUs[row] || !sameValue(decoded.values[row], columns.values[row]))
      return false;
  }
  return columns.series.every((series, i) => sameLabels(series.labels, decoded.series[i]?.labels));
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return Object.is(a, b);
}

function sameLabels(a: Columns["series"][number]["labels"], b: Columns["series"][number]["labels"]): boolean {
  if (a === undefined || b === undefined) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
