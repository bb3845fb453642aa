/** One followed file: reading on from a place, and noticing that it is no longer the file that it was. */
import type { FileHandle } from "node:fs/promises";
import { beforeBytesMax, type Cursor, fingerprint, headBytesMax } from "./cursor.ts";
import { type Cut, cutLines, type Piece } from "./lines.ts";

/** A place in a file, with the bytes by which it is known again. */
export interface Place {
  readonly offset: number;
  /** Parts already taken of the line at the offset. */
  readonly part: number;
  /** The first bytes of the file, as far as they lie before the offset. */
  readonly head: Buffer;
  /** The bytes before the offset. */
  readonly before: Buffer;
}

export const startOfFile: Place = { offset: 0, part: 0, head: Buffer.alloc(0), before: Buffer.alloc(0) };

/** A chunk must hold more than one part of a long line. */
const chunkBytes = 256 * 1024;
/** Most pieces of a chunk: a chunk of empty lines would make a reading of each byte. */
const chunkPiecesMax = 2_000;

export interface Chunk {
  readonly pieces: readonly Piece[];
  readonly sizeBytes: number;
  /** Where the file stands once the pieces are committed. */
  readonly next: Place;
}

/** A buffer for `readChunk`; one is enough for files that are read one after the other. */
export function chunkBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(beforeBytesMax + chunkBytes);
}

/**
 * Reads on from a place. The bytes before it are read again and compared in the same call, so that what a truncated
 * and refilled file holds there is never taken for what follows.
 * @param finished true where nothing will be added to the file, so that a last line without a newline counts
 * @returns views into `buffer`; "replaced" where the file no longer holds what stood before the place
 */
export async function readChunk(
  handle: FileHandle,
  place: Place,
  finished: boolean,
  buffer: Buffer,
): Promise<Chunk | "replaced"> {
  const { before, offset, part } = place;
  const { bytesRead } = await handle.read(buffer, 0, before.length + chunkBytes, offset - before.length);
  if (bytesRead < before.length || !buffer.subarray(0, before.length).equals(before)) return "replaced";
  const bytes = buffer.subarray(before.length, bytesRead);
  // Whatever a full chunk ends with may go on in the next.
  const cut = cutLines(bytes, part, finished && bytes.length < chunkBytes, chunkPiecesMax);
  return { pieces: cut.pieces, sizeBytes: cut.sizeBytes, next: nextPlace(place, buffer, cut) };
}

function nextPlace({ offset, head, before }: Place, buffer: Buffer, { sizeBytes, part }: Cut): Place {
  const end = before.length + sizeBytes;
  const missing = buffer.subarray(before.length, before.length + Math.min(headBytesMax - head.length, sizeBytes));
  return {
    offset: offset + sizeBytes,
    part,
    // Bytes are copied: the buffer is used again.
    head: missing.length === 0 ? head : Buffer.concat([head, missing]),
    before: Buffer.from(buffer.subarray(Math.max(0, end - beforeBytesMax), end)),
  };
}

/** The bytes from `start` to `end`, fewer where the file is shorter. */
export async function readBytes(handle: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start);
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
  return bytes.subarray(0, bytesRead);
}

/** The place that a cursor names in a file; undefined where the file does not hold what the cursor's file held. */
export async function resume(handle: FileHandle, cursor: Cursor): Promise<Place | undefined> {
  const { offset, part } = cursor;
  const head = await readBytes(handle, 0, cursor.headBytes);
  const before = await readBytes(handle, Math.max(0, offset - beforeBytesMax), offset);
  const holds = head.length === cursor.headBytes && before.length === Math.min(offset, beforeBytesMax);
  if (!holds || fingerprint(head) !== cursor.head || fingerprint(before) !== cursor.before) return undefined;
  return { offset, part, head, before };
}

/** The cursor of a place. */
export function cursorAt(place: Place, path: string, turn: number): Cursor {
  const { offset, part, head, before } = place;
  return { path, offset, part, headBytes: head.length, head: fingerprint(head), before: fingerprint(before), turn };
}

const magics = ["1f8b", "28b52ffd", "fd377a58", "425a68"].map((hex) => Buffer.from(hex, "hex"));

/** True for gzip, zstd, xz and bzip2: archives of rotated logs, whose lines were read before they were packed. */
export function isPacked(head: Buffer): boolean {
  return magics.some((magic) => head.subarray(0, magic.length).equals(magic));
}
