/**
 * What the encoder and the decoder of numbers must agree on: the adaptive contexts, how they learn, and how an integer
 * is cut into decisions. FORMAT.md says why.
 */

/** What a context starts as: `(p16 << 8) | asked`, the chance of a 1 in 65,536ths and how often it was asked. */
export const contextStart = 32_768 << 8;
/** A context that was asked this often learns no slower from here on. */
const askedMax = 127;

/** By how much of 65,536 a context moves towards what it just saw, by how often it was asked. */
const rates = Int32Array.from({ length: askedMax + 1 }, (_, asked) => Math.round(65_536 / (asked + 1.6)));

/** What a context becomes after it saw `bit`. */
export function learn(context: number, bit: number): number {
  const asked = context & 0xff;
  const p16 = context >> 8;
  // The product stays below 2^31: the error is below 2^16 and halved, the greatest rate is 40,960.
  const error = ((bit << 16) - p16) >> 1;
  const moved = p16 + ((error * (rates[asked] as number)) >> 15);
  return (moved << 8) | (asked < askedMax ? asked + 1 : askedMax);
}

/** The chance of a 1 in 4,096ths: odd, hence never 0, and never certain. */
export function chanceOf(context: number): number {
  return (context >> 12) | 1;
}

/** The width of the range coder's registers: 31 bits, so that JavaScript keeps them in machine words. */
export const registerBits = 31;
export const rangeStart = 2 ** 31 - 1;
/** Below this the range is widened by one byte. */
export const rangeMin = 2 ** 23;
/** Most bits that go past the contexts in one step: what is left of the range still tells nine bits apart. */
export const directBitsMax = 14;

/** An integer model takes 1,024 contexts: zero or not, sign, the bits below the top one, the bit length as a tree. */
const modelSize = 1024;
export const signAt = 16;
export const mantissaAt = 32;
export const lengthAt = 256;
export const groupAt = 320;
export const withinAt = 576;

/** One model for each sort of integer, so that each learns its own distribution. */
export const headModel = 0;
export const baseModel = modelSize;
export const timeModel = 2 * modelSize;
export const valueModel = 3 * modelSize;
export const ulpModel = 4 * modelSize;
export const lowModel = 5 * modelSize;
export const sizeModel = 6 * modelSize;
/** Single decisions. */
export const rowGuessed = 7 * modelSize;
export const isStamped = rowGuessed + 4;
export const hasUnit = isStamped + 1;
export const isMixed = hasUnit + 1;
export const hasUlps = isMixed + 1;
export const kindTree = hasUlps + 1;
export const timeMethodTree = kindTree + 64;
export const timeUnitTree = timeMethodTree + 4;
export const orderTree = timeUnitTree + 4;
export const decimalsTree = orderTree + 4;
export const floatShiftTree = decimalsTree + 16;
export const contextCount = floatShiftTree + 64;

/** The bit length of a magnitude below 2^53, 0 for 0. */
export function bitLength(magnitude: number): number {
  return magnitude < 4_294_967_296 ? 32 - Math.clz32(magnitude) : 64 - Math.clz32(magnitude / 4_294_967_296);
}

/**
 * What an integer's contexts remember of the two before it in its column: the last one's bit length, and for both
 * whether they were 0, positive or negative. A column starts with 0.
 */
export function memoryAfter(memory: number, residual: number, length: number): number {
  const sign = residual === 0 ? 0 : residual < 0 ? 2 : 1;
  return length | (sign << 6) | ((memory & 0xc0) << 2);
}
