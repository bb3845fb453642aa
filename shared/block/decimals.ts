/**
 * Numbers as decimals: what people and sensors write has few decimals, and what programs compute from that lies a few
 * units in the last place (ULP) off. Both are far shorter as an integer, and a small correction, than as a float64.
 */

/** Most decimals that are tried: beyond, an integer is no shorter than the float64. */
export const decimalsMax = 12;
/** Largest integer of a decimal: differences of differences of such integers are still exact. */
const decimalIntegerMax = 2 ** 51;
/** A correction is looked for only below this, where chance hits are rare. */
const correctedIntegerMax = 2 ** 44;
const ulpsMax = 64;
/** Sixty-four ULP of a number are at the most this share of it; a cheap test before the exact one. */
const nearShare = 2 ** -46;

export const powersOfTen = Float64Array.from({ length: decimalsMax + 1 }, (_, k) => 10 ** k);

const float = new Float64Array(2);
// Little-endian, as every processor is that Node runs on here: the low word stands first.
const words = new Uint32Array(float.buffer);

/** Numbers as integers of 10^-decimals, each off by some ULP. */
export interface Decimals {
  readonly decimals: number;
  /** How many of the numbers are decimals; the others are not in `integers`. */
  readonly count: number;
  readonly hasUlps: boolean;
}

/**
 * Finds the fewest decimals that suit all numbers which have some. `integers` and `ulps` get the decimals in order,
 * `isDecimal` gets 1 or 0 for every number.
 */
export function findDecimals(
  numbers: Float64Array,
  count: number,
  integers: Float64Array,
  ulps: Int32Array,
  isDecimal: Uint8Array,
): Decimals {
  let decimals = 0;
  for (let i = 0; i < count; i++) {
    const found = decimalsOf(numbers[i] as number, decimals);
    if (found > decimals) decimals = found;
    // A column that begins with eight numbers which are no decimals holds measurements in full precision: what stands
    // behind them is not searched.
    if (found < 0 && i === 7 && !hasDecimal(numbers, 7)) return { decimals: 0, count: 0, hasUlps: false };
  }
  const power = powersOfTen[decimals] as number;
  let size = 0;
  let ulpBits = 0;
  for (let i = 0; i < count; i++) {
    const number = numbers[i] as number;
    const integer = Math.round(number * power);
    const nearest = integer / power;
    let ulp = 0;
    let fits = isExact(number, nearest, integer);
    if (!fits && isNear(number, nearest, integer)) {
      ulp = ulpsBetween(nearest, number);
      fits = true;
    }
    isDecimal[i] = fits ? 1 : 0;
    if (!fits) continue;
    integers[size] = integer + 0;
    ulps[size++] = ulp;
    ulpBits |= ulp;
  }
  return { decimals, count: size, hasUlps: ulpBits !== 0 };
}

/** The fewest decimals, but at least `least`, that a number has; -1 where it is no decimal. */
function decimalsOf(number: number, least: number): number {
  for (let decimals = least; decimals <= decimalsMax; decimals++) {
    const power = powersOfTen[decimals] as number;
    const integer = Math.round(number * power);
    const nearest = integer / power;
    if (isExact(number, nearest, integer) || isNear(number, nearest, integer)) return decimals;
    if (integer > decimalIntegerMax || integer < -decimalIntegerMax) return -1;
  }
  return -1;
}

function hasDecimal(numbers: Float64Array, count: number): boolean {
  for (let i = 0; i < count; i++) if (decimalsOf(numbers[i] as number, 0) >= 0) return true;
  return false;
}

function isExact(number: number, nearest: number, integer: number): boolean {
  if (nearest !== number || integer > decimalIntegerMax || integer < -decimalIntegerMax) return false;
  // Minus zero equals zero, but is not the same number.
  return number !== 0 || Object.is(number, 0);
}

function isNear(number: number, nearest: number, integer: number): boolean {
  if (integer >= correctedIntegerMax || integer <= -correctedIntegerMax) return false;
  if (Math.abs(number - nearest) > Math.abs(number) * nearShare) return false;
  return Math.abs(ulpsBetween(nearest, number)) <= ulpsMax;
}

/** How many float64 numbers lie between two close ones: negative zero counts as the one before zero. */
function ulpsBetween(from: number, to: number): number {
  float[0] = from + 0;
  float[1] = to;
  const fromNegative = (words[1] as number) >>> 31;
  const toNegative = (words[3] as number) >>> 31;
  const fromHigh = (words[1] as number) & 0x7fffffff;
  const toHigh = (words[3] as number) & 0x7fffffff;
  const fromLow = words[0] as number;
  const toLow = words[2] as number;
  if (fromNegative === toNegative) {
    const difference = (toHigh - fromHigh) * 4_294_967_296 + (toLow - fromLow);
    return fromNegative === 0 ? difference : -difference;
  }
  const distance = (toHigh + fromHigh) * 4_294_967_296 + toLow + fromLow + 1;
  return toNegative === 1 ? -distance : distance;
}

/** The number `ulps` away from another, in the order where negative zero stands just before zero. */
export function stepUlps(number: number, ulps: number): number {
  if (ulps === 0) return number;
  float[0] = number + 0;
  const negative = (words[1] as number) >>> 31;
  const high = (words[1] as number) & 0x7fffffff;
  const low = (words[0] as number) + (negative === 1 ? -ulps : ulps);
  const carried = high + Math.floor(low / 4_294_967_296);
  if (carried >= 0) {
    words[0] = low;
    words[1] = carried + negative * 2_147_483_648;
  } else {
    // Crossed zero: as far on the other side, with the two zeros one step apart.
    words[0] = -low - 1;
    words[1] = negative === 1 ? 0 : 0x80000000;
  }
  return float[0] as number;
}
