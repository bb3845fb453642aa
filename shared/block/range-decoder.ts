/** The reverse of range-encoder.ts. Any bytes decode to some numbers: it is for the callers to bound and judge them. */
import { damaged } from "./damaged.ts";
import {
  chanceOf,
  contextCount,
  contextStart,
  directBitsMax,
  groupAt,
  learn,
  lengthAt,
  mantissaAt,
  memoryAfter,
  rangeMin,
  rangeStart,
  signAt,
  withinAt,
} from "./model.ts";

export interface RangeDecoder {
  bit(context: number): number;
  tree(contexts: number, bits: number): number;
  direct(bits: number): number;
  /** An integer within ±2^53; `memory` then holds the memory for the column's next. */
  integer(model: number, memory: number): number;
  readonly memory: number;
}

/** A decoder of the bytes from `at` up to `end`. */
export function createRangeDecoder(bytes: Uint8Array, start: number, end: number): RangeDecoder {
  const contexts = new Int32Array(contextCount).fill(contextStart);
  let at = start;
  let range = rangeStart;
  let memoryNow = 0;
  // The register is 31 bits wide, so that bytes enter it one bit below their own border.
  let pending = 0;
  let code = 0;
  for (let i = 0; i < 4; i++) widen();

  function widen(): void {
    const byte = at < end ? (bytes[at] as number) : 0;
    at++;
    code = ((code << 8) & rangeStart) | (pending << 7) | (byte >>> 1);
    pending = byte & 1;
  }

  function bit(at: number): number {
    const context = contexts[at] as number;
    const bound = Math.imul(range >> 12, chanceOf(context));
    // Masks instead of branches, which a processor would guess wrong half of the time.
    const isOne = (code - bound) >> 31;
    const found = isOne & 1;
    code -= bound & ~isOne;
    range = (bound & isOne) | ((range - bound) & ~isOne);
    contexts[at] = learn(context, found);
    while (range < rangeMin) {
      range <<= 8;
      widen();
    }
    return found;
  }

  function tree(contexts: number, bits: number): number {
    let node = 1;
    for (let i = 0; i < bits; i++) node = (node << 1) | bit(contexts + node);
    return node - (1 << bits);
  }

  function direct(bits: number): number {
    let value = 0;
    let left = bits;
    while (left > 0) {
      const step = Math.min(left, directBitsMax);
      range >>= step;
      let part = (code / range) | 0;
      if (part >>> step !== 0) part = (1 << step) - 1;
      code -= Math.imul(part, range);
      value = value * (1 << step) + part;
      left -= step;
      while (range < rangeMin) {
        range <<= 8;
        widen();
      }
    }
    return value;
  }

  return {
    bit,
    tree,
    direct,
    integer(model, memory) {
      const signs = memory >>> 6;
      if (bit(model + signs) === 0) {
        memoryNow = memoryAfter(memory, 0, 0);
        return 0;
      }
      const before = memory & 63;
      let length: number;
      if (bit(model + lengthAt + before) === 1) {
        length = (before & 60) | tree(model + withinAt + 4 * before, 2);
      } else {
        const group = tree(model + groupAt + ((before >> 2) << 4), 4);
        length = (group << 2) | tree(model + withinAt + 256 + 4 * group, 2);
      }
      if (length > 53) throw damaged("an integer has more than 53 bits");
      const negative = bit(model + signAt + signs) === 1;
      let magnitude = 1;
      if (length > 1) {
        const below = model + mantissaAt + 4 * length;
        const first = bit(below + 1);
        magnitude = 2 | first;
        if (length > 2) magnitude = (magnitude << 1) | bit(below + 2 + first);
        if (length > 3) magnitude = magnitude * 2 ** (length - 3) + direct(length - 3);
      }
      const value = negative ? -magnitude : magnitude;
      memoryNow = memoryAfter(memory, value, length);
      return value;
    },
    get memory() {
      return memoryNow;
    },
  };
}
