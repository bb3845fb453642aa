/**
 * Which series each row belongs to. Series are numbered by first appearance, and the guess is that after a series
 * comes the one that came after it last time, or a new one: a repeating cycle costs next to nothing.
 */
import { damaged } from "./damaged.ts";
import { rowGuessed } from "./model.ts";
import type { RangeDecoder } from "./range-decoder.ts";
import type { RangeEncoder } from "./range-encoder.ts";

/** Writes the series of every row; nothing where there is only one. */
export function encodeRowSeries(coder: RangeEncoder, rowSeries: Uint16Array, count: number, seriesCount: number): void {
  if (seriesCount === 1) return;
  const successor = new Int32Array(seriesCount).fill(-1);
  let seen = 0;
  let last = 0;
  let hits = 0;
  for (let row = 0; row < count; row++) {
    const series = rowSeries[row] as number;
    const guess = guessOf(successor, last, seen, seriesCount);
    const hit = series === guess ? 1 : 0;
    coder.bit(rowGuessed + hits, hit);
    if (hit === 0) coder.direct(series, bitsFor(seen, seriesCount));
    if (row > 0) successor[last] = series;
    if (series === seen) seen++;
    hits = ((hits << 1) | hit) & 3;
    last = series;
  }
}

/**
 * Reads what encodeRowSeries wrote.
 * @throws Fault `damaged` where a row names no series or a series has no row
 */
export function decodeRowSeries(coder: RangeDecoder, count: number, seriesCount: number): Uint16Array {
  const rowSeries = new Uint16Array(count);
  if (seriesCount === 1) return rowSeries;
  const successor = new Int32Array(seriesCount).fill(-1);
  let seen = 0;
  let last = 0;
  let hits = 0;
  for (let row = 0; row < count; row++) {
    const hit = coder.bit(rowGuessed + hits);
    const series = hit === 1 ? guessOf(successor, last, seen, seriesCount) : coder.direct(bitsFor(seen, seriesCount));
    if (series > seen || series >= seriesCount) throw damaged("a row names a series that is not there");
    rowSeries[row] = series;
    if (row > 0) successor[last] = series;
    if (series === seen) seen++;
    hits = ((hits << 1) | hit) & 3;
    last = series;
  }
  if (seen !== seriesCount) throw damaged("a series has no rows");
  return rowSeries;
}

function guessOf(successor: Int32Array, last: number, seen: number, seriesCount: number): number {
  const known = successor[last] as number;
  return known >= 0 ? known : seen < seriesCount ? seen : 0;
}

/** Enough bits for every series seen so far and, while there are any, a new one. */
function bitsFor(seen: number, seriesCount: number): number {
  return 32 - Math.clz32(seen < seriesCount ? seen : seriesCount - 1);
}
