/**
 * Damaged blocks (I10). Each block is judged by its own CRC whenever its bytes are read, because SQLite's integrity
 * check finds almost no bit flips (1 of 300, measured). What cannot be read goes to a side file and is reported; what is
 * not known to be journaled is named in a loss record.
 */
import { codecLoss, crcHolds, lastOf } from "../../shared/block/block.ts";
import type { Columns } from "../../shared/block/columns.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import { type LossReason, lossBlock, readLoss } from "../../shared/block/loss.ts";
import { Fault } from "../../shared/errors.ts";
import { lossSpanMax } from "../../shared/limits.ts";
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
 * The readings of a row; undefined where its bytes are damaged, or hold their CRC and still cannot be read, which must
 * not stop the agent at every start (I10): such a block travels as it is, and the gateway tells what it is.
 */
export function readColumns(core: Core, lane: Lane, row: BlockRow): Columns | undefined {
  const bytes = readBytes(core, lane, row);
  try {
    return bytes === undefined ? undefined : decodeBlock(row.codec, row.rawBytes, bytes);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
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
  if (head.state === pending) {
    core.countLoss(reason, readingsOf(rows));
    insertLoss(core, lane, [...neighbourThatGrows(core, lane, head, lastOf(tail), reason), ...rows], reason);
  }
  core.lanes.save(lane);
}

/** Stores the loss record that stands for `rows`, neighbours in order that are no longer there. */
function insertLoss(core: Core, lane: Lane, rows: readonly BlockRow[], reason: LossReason): void {
  const head = rows[0] as BlockRow;
  const tail = rows[rows.length - 1] as BlockRow;
  const fromUs = bound(rows, (row) => row.minUs, Math.min);
  const toUs = bound(rows, (row) => row.maxUs, Math.max);
  const { bytes, ...block } = lossBlock(
    { reason, fromUs, toUs },
    {
      first: head.first,
      count: lastOf(tail) - head.first + 1,
      before: head.before,
      after: tail.after,
      repeated: head.repeated,
    },
  );
  core.blocks.insert(
    { ...block, run: lane.run, stream: lane.stream, state: pending, segment: 0, minUs: fromUs, maxUs: toUs },
    bytes,
  );
  count(lane.tallies[pending], { count: block.count, sizeBytes: bytes.length }, 1);
}

/**
 * A loss record just before, never sent and of the same reason, grows instead of getting a neighbour: without that, a
 * store that drops for months would fill with loss records. Takes it out; none where there is no such record.
 */
function neighbourThatGrows(core: Core, lane: Lane, head: BlockRow, last: number, reason: LossReason): BlockRow[] {
  const neighbour = core.blocks.holding(lane.run, lane.stream, head.first - 1);
  if (neighbour === undefined || neighbour.codec !== codecLoss || neighbour.state !== pending) return [];
  // What was sent has an edge at its end that a POSITION may name, and that must not vanish.
  if (core.wasSent(neighbour) || neighbour.repeated !== head.repeated) return [];
  if (last - neighbour.first >= lossSpanMax) return [];
  const bytes = core.blocks.bytes(neighbour);
  if (bytes === undefined || !crcHolds({ crc: neighbour.crc, bytes }) || readLoss(bytes).reason !== reason) return [];
  core.blocks.remove(neighbour);
  count(lane.tallies[pending], neighbour, -1);
  return [neighbour];
}

const readingsOf = (rows: readonly BlockRow[]): number =>
  rows.reduce((sum, row) => sum + (row.codec === codecLoss ? 0 : row.count), 0);

/** The least or greatest time of rows; null where that of one is unknown, since a bound must hold for all. */
function bound(
  rows: readonly BlockRow[],
  timeOf: (row: BlockRow) => number | null,
  pick: (a: number, b: number) => number,
): number | null {
  return rows.map(timeOf).reduce((a, b) => (a === null || b === null ? null : pick(a, b)));
}
