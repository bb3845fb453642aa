/** Which segments may go: only closed ones, always the oldest first, never a position (I2 ends where the queue begins). */
import type { SegmentRow } from "./positions.ts";

export interface Retention {
  /** Bytes of all segments together; the oldest go when there are more. */
  readonly retainBytes: number;
  /** A segment goes this long after it was closed, counted in the running time of the queue. */
  readonly retainAgeMs: number;
}

/**
 * The segments to delete.
 * @param rows all segments, oldest first
 * @param livedMs the age of the queue on the clock of `closedMs`
 */
export function outlived(rows: readonly SegmentRow[], limits: Retention, livedMs: number): number[] {
  let sizeBytes = rows.reduce((sum, { bytes }) => sum + bytes, 0);
  const found: number[] = [];
  for (const { segment, bytes, closedMs } of rows) {
    if (closedMs === null) break;
    if (sizeBytes <= limits.retainBytes && livedMs - closedMs <= limits.retainAgeMs) break;
    found.push(segment);
    sizeBytes -= bytes;
  }
  return found;
}
