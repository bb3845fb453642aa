/** Numbers to bytes: a binary range coder over adaptive contexts, as FORMAT.md describes it from the reader's side. */
import {
  bitLength,
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
  registerBits,
  signAt,
  withinAt,
} from "./model.ts";

export interface RangeEncoder {
  /** Forgets everything; what an error left behind as well. */
  start(): void;
  /** One decision in a context. */
  bit(context: number, bit: number): void;
  /** `bits` bits of a number, most significant first, as a tree of contexts. */
  tree(contexts: number, bits: number, value: number): void;
  /** The low `bits` (at most 52) bits of a number, past all contexts. */
  direct(value: number, bits: number): void;
  /** An integer within ±2^53 in a model; returns the memory for the column's next. */
  integer(model: number, memory: number, value: number): number;
  /** All bytes since the start. */
  finish(): Uint8Array;
}

/** Decisions wait here until the coder runs over them in one tight loop, several times faster than call by call. */
const waitingMax = 8192;
/** Most decisions of one integer, without those of its lower bits. */
const integerSteps = 9;

/** A new encoder; it is reused block after block. */
export function createRangeEncoder(): RangeEncoder {
  const contexts = new Int32Array(contextCount).fill(contextStart);
  // A decision is (context << 1) | bit, bits past the contexts are ~((value << 4) | count).
  const waiting = new Int32Array(waitingMax);
  let waits = 0;
  let out = new Uint8Array(16_384);
  let size = 0;
  let low = 0;
  let range = rangeStart;

  function put(step: number): void {
    if (waits === waitingMax) drain();
    waiting[waits++] = step;
  }

  function drain(): void {
    if (out.length < size + 2 * waits + 8) {
      const larger = new Uint8Array(2 * (size + 2 * waitingMax));
      larger.set(out.subarray(0, size));
      out = larger;
    }
    const bytes = out;
    const states = contexts;
    const steps = waiting;
    const count = waits;
    let at = size;
    let l = low;
    let r = range;
    for (let i = 0; i < count; i++) {
      const step = steps[i] as number;
      if (step >= 0) {
        const context = states[step >> 1] as number;
        const bound = Math.imul(r >> 12, chanceOf(context));
        states[step >> 1] = learn(context, step & 1);
        // Half of all decisions cannot be predicted, by the processor neither: masks cost less than wrong branches.
        const isOne = -(step & 1);
        l = (l + (bound & ~isOne)) | 0;
        r = (bound & isOne) | ((r - bound) & ~isOne);
      } else {
        r >>= ~step & 15;
        l = (l + Math.imul(r, ~step >> 4)) | 0;
      }
      if (l < 0) {
        // The sum left its 31 bits: the sign is the carry.
        carry(bytes, at);
        l &= rangeStart;
      }
      while (r < rangeMin) {
        bytes[at++] = l >>> 23;
        l = (l << 8) & rangeStart;
        r <<= 8;
      }
    }
    waits = 0;
    size = at;
    low = l;
    range = r;
  }

  function direct(value: number, bits: number): void {
    let left = bits;
    let rest = value;
    while (left > 28) {
      left -= directBitsMax;
      const top = Math.floor(rest / 2 ** left);
      rest -= top * 2 ** left;
      put(~((top << 4) | directBitsMax));
    }
    while (left > 0) {
      const step = Math.min(left, directBitsMax);
      left -= step;
      put(~((((rest >> left) & ((1 << step) - 1)) << 4) | step));
    }
  }

  function tree(at: number, bits: number, value: number): void {
    let node = 1;
    for (let shift = bits - 1; shift >= 0; shift--) {
      const bit = (value >>> shift) & 1;
      put(((at + node) << 1) | bit);
      node = (node << 1) | bit;
    }
  }

  function mantissa(contexts: number, magnitude: number, length: number): void {
    const cut = length > 3 ? length - 3 : 0;
    const top = cut < 22 ? magnitude >>> cut : Math.floor(magnitude / 2 ** cut);
    if (length === 2) put(((contexts + 1) << 1) | (top & 1));
    else {
      const first = (top >> 1) & 1;
      put(((contexts + 1) << 1) | first);
      put(((contexts + 2 + first) << 1) | (top & 1));
    }
    if (cut > 0) direct(cut < 22 ? magnitude & ((1 << cut) - 1) : magnitude - top * 2 ** cut, cut);
  }

  return {
    start() {
      contexts.fill(contextStart);
      waits = 0;
      size = 0;
      low = 0;
      range = rangeStart;
    },
    bit: (context, bit) => put((context << 1) | bit),
    tree,
    direct,
    integer(model, memory, value) {
      const signs = memory >> 6;
      if (value === 0) {
        put((model + signs) << 1);
        return memoryAfter(memory, 0, 0);
      }
      const magnitude = value < 0 ? -value : value;
      const length = bitLength(magnitude);
      const sign = value < 0 ? 1 : 0;
      // Written out rather than put step by step: this is what most of the time is spent on.
      if (waits > waitingMax - integerSteps) drain();
      const steps = waiting;
      let at = waits;
      steps[at++] = ((model + signs) << 1) | 1;
      const before = memory & 63;
      const group = length >> 2;
      let within = model + withinAt + 4 * before;
      if (group === before >> 2) steps[at++] = ((model + lengthAt + before) << 1) | 1;
      else {
        steps[at++] = (model + lengthAt + before) << 1;
        const groups = model + groupAt + ((before >> 2) << 4);
        steps[at++] = ((groups + 1) << 1) | (group >> 3);
        steps[at++] = ((groups + ((16 | group) >> 3)) << 1) | ((group >> 2) & 1);
        steps[at++] = ((groups + ((16 | group) >> 2)) << 1) | ((group >> 1) & 1);
        steps[at++] = ((groups + ((16 | group) >> 1)) << 1) | (group & 1);
        within = model + withinAt + 256 + 4 * group;
      }
      steps[at++] = ((within + 1) << 1) | ((length >> 1) & 1);
      steps[at++] = ((within + 2 + ((length >> 1) & 1)) << 1) | (length & 1);
      steps[at++] = ((model + signAt + signs) << 1) | sign;
      waits = at;
      if (length > 1) mantissa(model + mantissaAt + 4 * length, magnitude, length);
      return memoryAfter(memory, value, length);
    },
    finish() {
      drain();
      // The fewest bytes that name a number in [low, low + range); the decoder reads zeros behind them.
      for (let bytes = 0; ; bytes++) {
        const unit = 2 ** Math.max(registerBits - 8 * bytes, 0);
        const point = Math.ceil(low / unit) * unit;
        if (point >= low + range) continue;
        if (point > rangeStart) carry(out, size);
        for (let i = 0; i < bytes; i++) out[size++] = Math.floor((point % 2 ** 31) / 2 ** (23 - 8 * i));
        break;
      }
      while (size > 0 && out[size - 1] === 0) size--;
      return out.slice(0, size);
    },
  };
}

/** Adds one to the number that ends before `end`; the first byte never overflows, since the number is below 1. */
function carry(bytes: Uint8Array, end: number): void {
  let at = end - 1;
  while (bytes[at] === 255) bytes[at--] = 0;
  bytes[at] = (bytes[at] as number) + 1;
}
