/** Unsigned integers in as few bytes as they need: seven bits each, least significant first (LEB128). */
import { damaged } from "./damaged.ts";

/** Most bytes of a number below 2^28, more than any count or size here. */
const bytesMax = 4;

/** Appends a number below 2^28. */
export function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
}

/** Reads numbers from the start of `bytes`. */
export function varintReader(bytes: Uint8Array): { readonly at: number; next(): number } {
  let at = 0;
  return {
    get at() {
      return at;
    },
    next() {
      let value = 0;
      for (let i = 0; i < bytesMax; i++) {
        const byte = bytes[at++];
        if (byte === undefined) throw damaged("it ends too early");
        value |= (byte & 127) << (7 * i);
        if (byte < 128) return value;
      }
      throw damaged("a number in its head is too long");
    },
  };
}
