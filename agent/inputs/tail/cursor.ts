/**
 * Where the tail input stands in a file, and by what it knows the file again: device and inode, which are the cursor's
 * key, and hashes of the head and of the bytes before the position, which tell a file from one that took its place.
 */
import { hash } from "node:crypto";

/** How much of a file's head is hashed, as far as it has been read. */
export const headBytesMax = 1_024;
/** How much before the position is hashed. */
export const beforeBytesMax = 256;

export interface Cursor {
  /** The file's label: the path under which it was first seen. */
  readonly path: string;
  readonly offset: number;
  /** Parts already taken of the line at the offset. */
  readonly part: number;
  /** How many bytes the hash of the head covers. */
  readonly headBytes: number;
  readonly head: string;
  readonly before: string;
  /** Counts the commits of the input: the cursors with the lowest turn are the ones longest unused. No clock (I7). */
  readonly turn: number;
}

/** 64 bits that name some bytes. */
export function fingerprint(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex").slice(0, 16);
}

/** Reads a cursor back; undefined where it cannot be read, which starts the file anew (I10). */
export function readCursor(value: string | undefined): Cursor | undefined {
  if (value === undefined) return undefined;
  try {
    const cursor = JSON.parse(value) as Cursor;
    const { path, head, before, offset, part, headBytes, turn } = cursor;
    const texts = [path, head, before].every((text) => typeof text === "string");
    const counts = [offset, part, headBytes, turn].every((count) => Number.isSafeInteger(count) && count >= 0);
    return texts && counts && headBytes === Math.min(offset, headBytesMax) ? cursor : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a cursor, well below the 4 kB that the store takes. */
export function writeCursor(cursor: Cursor): string {
  return JSON.stringify(cursor);
}
