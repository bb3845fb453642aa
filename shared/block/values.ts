/** The values of one series after the other: their kinds, then a column of each kind. */
import { blockReadingsMax } from "../limits.ts";
import type { Value } from "../reading.ts";
import { damaged } from "./damaged.ts";
import { decimalsMax, findDecimals, powersOfTen, stepUlps } from "./decimals.ts";
import { decodeFloats, encodeFloats } from "./floats.ts";
import { decodeIntegers, encodeIntegers } from "./integers.ts";
import { decimalsTree, hasUlps, isMixed, kindTree, sizeModel, ulpModel, valueModel } from "./model.ts";
import type { RangeDecoder } from "./range-decoder.ts";
import type { RangeEncoder } from "./range-encoder.ts";

const decimalKind = 0;
const floatKind = 1;
export const textKind = 2;
const bytesKind = 3;
const falseKind = 4;
const trueKind = 5;
/** Stands for the kind before the first, and for that of a whole column. */
const noKind = 6;
const wholeKind = 7;

// Scratch for one series: an encoder runs to its end before the next one starts.
const kinds = new Uint8Array(blockReadingsMax);
const numbers = new Float64Array(blockReadingsMax);
const integers = new Float64Array(blockReadingsMax);
const ulps = new Int32Array(blockReadingsMax);
const isDecimal = new Uint8Array(blockReadingsMax);

/** Writes the values in rows[from] up to rows[to]; texts and bytes are appended to the lists, as they come. */
export function encodeValues(
  coder: RangeEncoder,
  values: readonly Value[],
  rows: Int32Array,
  from: number,
  to: number,
  texts: string[],
  blobs: Uint8Array[],
): void {
  const count = to - from;
  const blobsBefore = blobs.length;
  let numberCount = 0;
  for (let i = 0; i < count; i++) {
    const value = values[rows[from + i] as number] as Value;
    if (typeof value === "number") {
      kinds[i] = decimalKind;
      numbers[numberCount++] = value;
    } else if (typeof value === "string") {
      kinds[i] = textKind;
      texts.push(value);
    } else if (typeof value === "boolean") kinds[i] = value ? trueKind : falseKind;
    else {
      kinds[i] = bytesKind;
      blobs.push(value);
    }
  }
  const found = findDecimals(numbers, numberCount, integers, ulps, isDecimal);
  if (found.count < numberCount) markFloats(count, found.count);
  encodeKinds(coder, count);
  if (found.count > 0) {
    coder.tree(decimalsTree, 4, found.decimals);
    encodeIntegers(coder, valueModel, integers, found.count);
    coder.bit(hasUlps, found.hasUlps ? 1 : 0);
    let memory = 0;
    if (found.hasUlps)
      for (let i = 0; i < found.count; i++) memory = coder.integer(ulpModel, memory, ulps[i] as number);
  }
  if (found.count < numberCount) encodeFloats(coder, numbers, keepFloats(numberCount, found.count), integers);
  let memory = 0;
  for (let i = blobsBefore; i < blobs.length; i++) {
    memory = coder.integer(sizeModel, memory, (blobs[i] as Uint8Array).length);
  }
}

function markFloats(count: number, decimalCount: number): void {
  if (decimalCount === 0) isDecimal.fill(0, 0, count);
  let at = 0;
  for (let i = 0; i < count; i++) if (kinds[i] === decimalKind && isDecimal[at++] === 0) kinds[i] = floatKind;
}

/** Moves the numbers that are no decimals to the front; returns how many. */
function keepFloats(numberCount: number, decimalCount: number): number {
  if (decimalCount === 0) return numberCount;
  let kept = 0;
  for (let i = 0; i < numberCount; i++) if (isDecimal[i] === 0) numbers[kept++] = numbers[i] as number;
  return kept;
}

function encodeKinds(coder: RangeEncoder, count: number): void {
  const first = kinds[0] as number;
  let same = 1;
  while (same < count && kinds[same] === first) same++;
  coder.bit(isMixed, same < count ? 1 : 0);
  if (same === count) {
    coder.tree(kindTree + 8 * wholeKind, 3, first);
    return;
  }
  let previous = noKind;
  for (let i = 0; i < count; i++) {
    coder.tree(kindTree + 8 * previous, 3, kinds[i] as number);
    previous = kinds[i] as number;
  }
}

/** What the values of a block share while they are read. */
export interface Payload {
  /** The next text. */
  readonly text: () => string;
  /** The next `sizeBytes` bytes. */
  readonly bytes: (sizeBytes: number) => Uint8Array;
}

/** The kinds of a series' values, before their texts and bytes are at hand. */
export interface ValueColumns {
  readonly kinds: Uint8Array;
  /** Decimals and other numbers, each in order. */
  readonly decimals: Float64Array;
  readonly floats: Float64Array;
  /** Sizes of the byte values. */
  readonly sizes: Float64Array;
}

/**
 * Reads what encodeValues wrote for a series of `count` rows.
 * @throws Fault `damaged`
 */
export function decodeValues(coder: RangeDecoder, count: number): ValueColumns {
  const kinds = decodeKinds(coder, count);
  const counts = new Int32Array(8);
  for (let i = 0; i < count; i++) counts[kinds[i] as number] = (counts[kinds[i] as number] as number) + 1;
  const decimalCount = counts[decimalKind] as number;
  const floatCount = counts[floatKind] as number;
  const decimals = decimalCount > 0 ? decodeDecimals(coder, decimalCount) : noNumbers;
  const floats = floatCount > 0 ? decodeFloats(coder, floatCount) : noNumbers;
  const sizes = counts[bytesKind] === 0 ? noNumbers : new Float64Array(counts[bytesKind] as number);
  let memory = 0;
  for (let i = 0; i < sizes.length; i++) {
    sizes[i] = coder.integer(sizeModel, memory);
    memory = coder.memory;
  }
  return { kinds, decimals, floats, sizes };
}

const noNumbers = new Float64Array(0);

function decodeKinds(coder: RangeDecoder, count: number): Uint8Array {
  const kinds = new Uint8Array(count);
  const mixed = coder.bit(isMixed) === 1;
  if (!mixed) kinds.fill(coder.tree(kindTree + 8 * wholeKind, 3));
  let previous = noKind;
  for (let i = 0; mixed && i < count; i++) kinds[i] = previous = coder.tree(kindTree + 8 * previous, 3);
  for (let i = 0; i < count; i++) if ((kinds[i] as number) > trueKind) throw damaged("a kind of value is not known");
  return kinds;
}

function decodeDecimals(coder: RangeDecoder, count: number): Float64Array {
  const decimals = coder.tree(decimalsTree, 4);
  if (decimals > decimalsMax) throw damaged("a column has too many decimals");
  const power = powersOfTen[decimals] as number;
  const numbers = decodeIntegers(coder, valueModel, count);
  for (let i = 0; i < count; i++) numbers[i] = (numbers[i] as number) / power;
  let memory = 0;
  if (coder.bit(hasUlps) === 0) return numbers;
  for (let i = 0; i < count; i++) {
    numbers[i] = stepUlps(numbers[i] as number, coder.integer(ulpModel, memory));
    memory = coder.memory;
  }
  return numbers;
}

/**
 * Puts a series' values into their rows.
 * @throws Fault `damaged` where a number is not finite
 */
export function placeValues(
  columns: ValueColumns,
  payload: Payload,
  rows: Int32Array,
  from: number,
  values: Value[],
): void {
  let decimal = 0;
  let float = 0;
  let size = 0;
  for (let i = 0; i < columns.kinds.length; i++) {
    const row = rows[from + i] as number;
    switch (columns.kinds[i]) {
      case decimalKind:
        values[row] = finite(columns.decimals[decimal++] as number);
        break;
      case floatKind:
        values[row] = finite(columns.floats[float++] as number);
        break;
      case textKind:
        values[row] = payload.text();
        break;
      case bytesKind:
        values[row] = payload.bytes(columns.sizes[size++] as number);
        break;
      default:
        values[row] = columns.kinds[i] === trueKind;
    }
  }
}

function finite(number: number): number {
  if (Number.isFinite(number)) return number;
  throw damaged("a number is not finite");
}
