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

/** The order of differences with the fewest bits. */
function cheapestOrder(integers: Float64Array, count: number, least: number, divisor: number): number {
  const scale = 1 / divisor;
  let costs0 = 0;
  let costs1 = 0;
  let costs2 = 0;
  let previous = integers[0] as number;
  let step = 0;
  for (let i = 1; i < count; i++) {
    const integer = integers[i] as number;
    const difference = integer - previous;
    const change = difference - step;
    costs0 += costOf((integer - least) * scale);
    costs1 += costOf(difference * scale);
    costs2 += costOf(change * scale);
    if (change > exactMax || change < -exactMax) costs2 = Number.POSITIVE_INFINITY;
    previous = integer;
    step = difference;
  }
  if (costs0 <= costs1 && costs0 <= costs2) return 0;
  return costs1 <= costs2 ? 1 : 2;
}

/** A number's bits and, unless it is zero, about three more for its length and sign. */
function costOf(residual: number): number {
  return residual === 0 ? 0.5 : 3 + bitLength(residual < 0 ? -residual : residual);
}
