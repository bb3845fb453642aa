/** Numbers that are no decimals, as integers that keep their order: the bits of the float64. */
import { decodeIntegers, encodeIntegers } from "./integers.ts";
import { floatShiftTree, lowModel, valueModel } from "./model.ts";
import type { RangeDecoder } from "./range-decoder.ts";
import type { RangeEncoder } from "./range-encoder.ts";

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);
/** With so many low bits zero in all numbers (29 are in what was a float32) the rest is one exact integer. */
const shiftMin = 12;
const wordSize = 4_294_967_296;

/** Writes numbers by their bits; `integers` is scratch of at least `count`. */
export function encodeFloats(coder: RangeEncoder, numbers: Float64Array, count: number, integers: Float64Array): void {
  let lowBits = 0;
  let highBits = 0;
  for (let i = 0; i < count; i++) {
    float[0] = numbers[i] as number;
    lowBits |= words[0] as number;
    highBits |= words[1] as number;
  }
  const shift = lowBits !== 0 ? trailingZeros(lowBits) : 32 + Math.min(trailingZeros(highBits), 19);
  coder.tree(floatShiftTree, 6, shift);
  const isWhole = shift >= shiftMin;
  for (let i = 0; i < count; i++) {
    float[0] = numbers[i] as number;
    const high = (words[1] as number) & 0x7fffffff;
    const magnitude = isWhole ? (high * wordSize + (words[0] as number)) / 2 ** shift : high;
    integers[i] = (words[1] as number) >>> 31 === 1 ? -magnitude - 1 : magnitude;
  }
  encodeIntegers(coder, valueModel, integers, count);
  if (isWhole) return;
  for (let i = 0; i < count; i++) {
    float[0] = numbers[i] as number;
    integers[i] = words[0] as number;
  }
  encodeIntegers(coder, lowModel, integers, count);
}

/** Reads what encodeFloats wrote; damaged bytes may give numbers that are not finite. */
export function decodeFloats(coder: RangeDecoder, count: number): Float64Array {
  const shift = coder.tree(floatShiftTree, 6);
  const integers = decodeIntegers(coder, valueModel, count);
  const lows = shift >= shiftMin ? undefined : decodeIntegers(coder, lowModel, count);
  for (let i = 0; i < count; i++) {
    const integer = integers[i] as number;
    const negative = integer < 0;
    const magnitude = negative ? -integer - 1 : integer;
    const high = lows === undefined ? Math.floor(magnitude / 2 ** (32 - shift)) : magnitude;
    words[0] = lows === undefined ? (magnitude * 2 ** shift) % wordSize : (lows[i] as number);
    words[1] = (high % 2_147_483_648) + (negative ? 2_147_483_648 : 0);
    integers[i] = float[0] as number;
  }
  return integers;
}

function trailingZeros(word: number): number {
  return word === 0 ? 32 : 31 - Math.clz32(word & -word);
}
