/** A column of integers: relative to its minimum, as differences, or as differences of differences. */
import { damaged } from "./damaged.ts";
import { baseModel, bitLength, headModel, orderTree } from "./model.ts";
import type { RangeDecoder } from "./range-decoder.ts";
import type { RangeEncoder } from "./range-encoder.ts";

/** Beyond this a difference may not be exact. */
const exactMax = 2 ** 52;

/** Writes integers within ±2^51, in the order of differences that is cheapest; changes them. */
export function encodeIntegers(coder: RangeEncoder, model: number, integers: Float64Array, count: number): void {
  let least = integers[0] as number;
  for (let i = 1; i < count; i++) if ((integers[i] as number) < least) least = integers[i] as number;
  const divisor = divisorOf(integers, count);
  const order = cheapestOrder(integers, count, least, divisor);
  const base = order === 0 ? least : (integers[0] as number);
  coder.tree(orderTree, 2, order);
  coder.integer(headModel, 0, divisor - 1);
  coder.integer(baseModel, 0, base);
  let memory = 0;
  let previous = 0;
  let step = 0;
  for (let i = 0; i < count; i++) {
    const integer = divisor === 1 ? (integers[i] as number) - base : ((integers[i] as number) - base) / divisor;
    memory = coder.integer(model, memory, integer - previous - step);
    if (order === 2) step = integer - previous;
    if (order > 0) previous = integer;
  }
}

/** Reads what encodeIntegers wrote, as integers within ±2^53 times whatever a damaged divisor makes of them. */
export function decodeIntegers(coder: RangeDecoder, model: number, count: number): Float64Array {
  const order = coder.tree(orderTree, 2);
  if (order > 2) throw damaged("the order of a column is not known");
  const divisor = coder.integer(headModel, 0) + 1;
  const base = coder.integer(baseModel, 0);
  const integers = new Float64Array(count);
  let memory = 0;
  let previous = 0;
  let step = 0;
  for (let i = 0; i < count; i++) {
    const integer = coder.integer(model, memory) + previous + step;
    memory = coder.memory;
    integers[i] = base + integer * divisor;
    if (order === 2) step = integer - previous;
    if (order > 0) previous = integer;
  }
  return integers;
}

/** The greatest number that divides all differences, at least 1: sizes in pages and steps of a half have one. */
function divisorOf(integers: Float64Array, count: number): number {
  const first = integers[0] as number;
  let divisor = 0;
  for (let i = 1; i < count && divisor !== 1; i++) {
    let a = Math.abs((integers[i] as number) - first);
    while (a !== 0) {
      const rest = divisor % a;
      divisor = a;
      a = rest;
    }
  }
  return divisor === 0 ? 1 : divisor;
}

/** A column shorter than this cannot teach the coder its own distribution, so that only its bits count. */
const learntRowsMin = 64;

/** The order of differences that takes the fewest bits. */
function cheapestOrder(integers: Float64Array, count: number, least: number, divisor: number): number {
  const isLearnt = count >= learntRowsMin;
  for (const classes of classesByOrder) if (isLearnt) classes.fill(0);
  const [classes0, classes1, classes2] = classesByOrder;
  const scale = 1 / divisor;
  let bits0 = 0;
  let bits1 = 0;
  let bits2 = 0;
  let widest = 0;
  let previous = integers[0] as number;
  let step = 0;
  for (let i = 1; i < count; i++) {
    const integer = integers[i] as number;
    const difference = integer - previous;
    const change = difference - step;
    const magnitude0 = (integer - least) * scale;
    const magnitude1 = (difference < 0 ? -difference : difference) * scale;
    const magnitude2 = change < 0 ? -change : change;
    if (magnitude2 > widest) widest = magnitude2;
    if (isLearnt) {
      countClass(classes0, magnitude0);
      countClass(classes1, magnitude1);
      countClass(classes2, magnitude2 * scale);
    } else {
      // Only differences spend a bit on a sign, and zeros spend hardly anything.
      bits0 += magnitude0 === 0 ? 0 : 2 + bitLength(magnitude0);
      bits1 += magnitude1 === 0 ? 0 : 3 + bitLength(magnitude1);
      bits2 += magnitude2 === 0 ? 0 : 3 + bitLength(magnitude2 * scale);
    }
    previous = integer;
    step = difference;
  }
  if (isLearnt) {
    bits0 = bitsOf(classes0, count, 0);
    bits1 = bitsOf(classes1, count, 1);
    bits2 = bitsOf(classes2, count, 1);
  }
  if (widest > exactMax) bits2 = Number.POSITIVE_INFINITY;
  if (bits0 <= bits1 && bits0 <= bits2) return 0;
  return bits1 <= bits2 ? 1 : 2;
}

/** How many residuals fell into each class, by order; a class is the bit length and the two bits below the top one. */
const classesByOrder = [new Int32Array(256), new Int32Array(256), new Int32Array(256)] as const;
const classesUsed = 54 << 2;

function countClass(classes: Int32Array, magnitude: number): void {
  let at: number;
  if (magnitude < 1_073_741_824) {
    const length = 32 - Math.clz32(magnitude);
    at = length < 3 ? magnitude : (length << 2) | ((magnitude >> (length - 3)) & 3);
  } else at = bitLength(magnitude) << 2;
  classes[at] = (classes[at] as number) + 1;
}

/** What the coder spends on residuals once it knows how often each class comes, and on the bits below. */
function bitsOf(classes: Int32Array, count: number, signBits: number): number {
  let bits = 0;
  for (let at = 0; at < classesUsed; at++) {
    const size = classes[at] as number;
    if (size === 0) continue;
    const below = at < 12 ? 0 : (at >> 2) - 3;
    bits += size * (Math.log2(count / size) + below + (at === 0 ? 0 : signBits));
  }
  return bits;
}
