/**
 * CBOR (RFC 8949) as this project uses it: arrays, byte and text strings, integers, floats, booleans and null, all of
 * definite length, without tags. cbor-x writes it; reading is done here. cbor-x would follow a tag to build a bignum
 * (27 s for 256 kB, measured), a regular expression or a record, recurse as deep as it is told, and it misreads negative
 * integers beyond 32 bits (−3,600,000,000, an hour in µs, comes back as 694,967,296).
 */
import { Encoder } from "cbor-x";
import { Fault } from "./errors.ts";
import { cborDepthMax, cborItemsMax } from "./limits.ts";

const encoder = new Encoder({ useRecords: false, tagUint8Array: false, int64AsNumber: true } as object);

/** Encodes a value made of arrays, strings, Uint8Arrays, numbers, bigints, booleans and null. */
export function encodeCbor(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** A whole number in CBOR's integer form; cbor-x writes numbers beyond 32 bits as floats unless they are bigints. */
export function integer(value: number): number | bigint {
  return value > 0xffff_ffff || value < -0x8000_0000 ? BigInt(value) : value;
}

/**
 * Decodes untrusted bytes. Integers beyond 2^53 come back rounded: callers check for safe integers.
 * Byte strings are views into `bytes`.
 * @throws Fault `damaged` for anything that is not exactly one value of the allowed kinds
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const fault = scanCbor(bytes);
  if (fault !== undefined) throw new Fault("damaged", { what: "the CBOR cannot be read", why: fault });
  return readItem({ bytes, view: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 });
}

interface Cursor {
  readonly bytes: Uint8Array;
  readonly view: Buffer;
  at: number;
}

/** Reads one item of bytes that `scanCbor` has passed: every length holds, and the depth is bounded. */
function readItem(cursor: Cursor): unknown {
  const { bytes, view } = cursor;
  const head = bytes[cursor.at++] as number;
  const major = head >> 5;
  const info = head & 31;
  const start = cursor.at;
  cursor.at += info < 24 ? 0 : 1 << (info - 24);
  if (major === majorSimple) {
    if (info === 26) return view.readFloatBE(start);
    if (info === 27) return view.readDoubleBE(start);
    return info === 22 ? null : info === 21;
  }
  const argument = info < 24 ? info : readUint(bytes, start, cursor.at - start);
  if (major === majorUnsigned) return argument;
  if (major === majorNegative) return -1 - argument;
  if (major === majorArray) {
    const items: unknown[] = [];
    for (let left = argument; left > 0; left--) items.push(readItem(cursor));
    return items;
  }
  const from = cursor.at;
  cursor.at += argument;
  return major === majorBytes ? bytes.subarray(from, cursor.at) : view.toString("utf8", from, cursor.at);
}

const majorUnsigned = 0;
const majorNegative = 1;
const majorBytes = 2;
const majorText = 3;
const majorArray = 4;
const majorMap = 5;
const majorTag = 6;
const majorSimple = 7;

/**
 * Walks the heads of all items without building anything. Half-precision floats are not allowed: nobody writes them.
 * @returns what is wrong; undefined where `bytes` is exactly one value within the limits
 */
export function scanCbor(bytes: Uint8Array): string | undefined {
  const open: number[] = [];
  let at = 0;
  let items = 0;
  do {
    if (++items > cborItemsMax) return `more than ${cborItemsMax} items`;
    if (at >= bytes.length) return "it ends too early";
    const head = bytes[at++] as number;
    const major = head >> 5;
    const info = head & 31;
    if (major === majorTag) return "tags are not allowed";
    if (major === majorMap) return "maps are not allowed";
    if (info > 27) return "lengths must be definite";
    if (major === majorSimple && info < 26 && (info < 20 || info > 22)) return "unknown simple value";
    const width = info < 24 ? 0 : 1 << (info - 24);
    if (at + width > bytes.length) return "it ends too early";
    const argument = info < 24 ? info : readUint(bytes, at, width);
    at += width;
    if (major === majorBytes || major === majorText) {
      if (argument > bytes.length - at) return "a string is longer than the message";
      at += argument;
    } else if (major === majorArray && argument > 0) {
      if (open.length >= cborDepthMax) return `nested deeper than ${cborDepthMax}`;
      if (argument > cborItemsMax) return `more than ${cborItemsMax} items`;
      open.push(argument);
      continue;
    }
    while (open.length > 0) {
      const left = (open[open.length - 1] as number) - 1;
      if (left > 0) {
        open[open.length - 1] = left;
        break;
      }
      open.pop();
    }
  } while (open.length > 0);
  return at === bytes.length ? undefined : "bytes are left over behind its end";
}

function readUint(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] as number);
  return value;
}
