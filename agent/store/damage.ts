/**
 * Damaged blocks (I10). Each block is judged by its own CRC whenever its bytes are read, because SQLite's integrity
 * check finds almost no bit flips (1 of 300, measured). What cannot be read goes to a side file and is reported; what is
 * not known to be journaled is named in a loss record.
 */
import { crcHolds, lastOf } from "../../shared/block/block.ts";
import { type LossReason, lossBlock, readLoss } from "../../shared/block/loss.ts";
import type { Span } from "../../shared/ranges.ts";
import { type BlockRow, pending } from "./blocks.ts";
import type { Core } from "./core.ts";
import { placeOnly } from "./edges.ts";
import { count, type Lane } from "./lanes.ts";

/** The bytes of a row, or undefined where they are missing or damaged. */
export function readBytes(
  core: Core,
  lane: Lane,
  row: BlockRow,
  bytes: Uint8Array | undefined = core.blocks.bytes(row),
): Uint8Array | undefined {
  if (bytes !== undefined && crcHolds({ crc: row.crc, bytes })) return bytes;
  core.quarantine(lane, row, bytes);
  return undefined;
}

/**
 * Takes rows of one lane out of the store for good: where they are pending, a loss record stands in their place in the
 * same transaction (I6); where a journal is known to have them, an edge is enough. `rows` must be neighbours in order
 * and of one state. Must run inside `transact`.
 * @param keepEdges whether a journal may know ends inside the run, because it was sent
 */
export function removeRows(
  core: Core,
  lane: Lane,
  rows: readonly BlockRow[],
  reason: LossReason,
  keepEdges: boolean,
): void {
  const head = rows[0] as BlockRow;
  const tail = rows[rows.length - 1] as BlockRow;
  for (const row of rows) {
    core.blocks.remove(row);
    count(lane.tallies[row.state], row, -1);
    const edge = { first: row.first, last: lastOf(row), after: row.after };
    if (row.state !== pending) core.edges.put(lane.run, lane.stream, { ...edge, state: row.state });
    else if (keepEdges) core.edges.put(lane.run, lane.stream, { ...edge, state: placeOnly });
  }
  if (head.state !== pending) return;
  core.countLoss(reason, readingsOf(rows));
  const span = joinNeighbour(core, lane, { first: head.first, last: lastOf(tail) }, reason);
  const loss = { reason, fromUs: least(rows.map((row) => row.minUs)), toUs: most(rows.map((row) => row.maxUs)) };
  const place = { first: span.first, count: span.last - span.first + 1, before: span.before ?? head.before };
  const { bytes, ...block } = lossBlock(
    { ...loss, fromUs: lower(loss.fromUs, span.fromUs) },
    { ...place, after: tail.after, repeated: head.repeated },
  );
  core.blocks.insert(
    { ...block, run: lane.run, stream: lane.stream, state: pending, segment: 0, minUs: loss.fromUs, maxUs: loss.toUs },
    bytes,
  );
  count(lane.tallies[pending], { count: block.count, sizeBytes: bytes.length }, 1);
  core.lanes.save(lane);
}

interface Joined extends Span {
  before?: BlockRow["before"];
  fromUs?: number | null;
}

/**
 * A loss record just before, never sent and of the same reason, grows instead of getting a neighbour: without that, a
 * store that drops for months would fill with loss records.
 */
function joinNeighbour(core: Core, lane: Lane, span: Span, reason: LossReason): Joined {
  const neighbour = core.blocks.holding(lane.run, lane.stream, span.first - 1);
  if (neighbour === undefined || neighbour.codec !== 0 || neighbour.state !== pending) return span;
  const bytes = core.blocks.bytes(neighbour);
  if (core.wasSent(neighbour) || bytes === undefined || readLoss(bytes).reason !== reason) return span;
  core.blocks.remove(neighbour);
  count(lane.tallies[pending], neighbour, -1);
  return { first: neighbour.first, last: span.last, before: neighbour.before, fromUs: neighbour.minUs };
}

const readingsOf = (rows: readonly BlockRow[]): number =>
  rows.reduce((sum, row) => sum + (row.codec === 0 ? 0 : row.count), 0);

function least(times: readonly (number | null)[]): number | null {
  return times.reduce((a, b) => lower(a, b), null);
}

function most(times: readonly (number | null)[]): number | null {
  return times.reduce((a, b) => (a === null ? b : b === null ? a : Math.max(a, b)), null);
}

function lower(a: number | null | undefined, b: number | null | undefined): number | null {
  if (a === null || a === undefined) return b ?? null;
  return b === null || b === undefined ? a : Math.min(a, b);
}
