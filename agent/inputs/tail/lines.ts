/**
 * Cuts the bytes of a file into lines, and lines that are too long into parts. Pure.
 *
 * A line counts once its newline is there: a half-written one waits, however long, since nobody can tell a slow writer
 * from a dead one. Only parts of a line that is known to be too long go ahead of it, so that memory stays flat on a
 * file of gigabytes without a newline.
 */
import { nameBytesMax, readingBytesMax } from "../../../shared/limits.ts";

/** Longest text or bytes value that a reading holds beside its name and labels. */
export const partBytesMax = readingBytesMax - 4 * nameBytesMax;

export interface Piece {
  /** Without the newline, and without a carriage return before it. A view of the bytes that were cut. */
  readonly bytes: Buffer;
  /** 0 for a whole line, else the number of the part, from 1. */
  readonly part: number;
  /** True where the line ends with this piece. */
  readonly last: boolean;
}

export interface Cut {
  readonly pieces: Piece[];
  /** What the pieces cover, newlines included. */
  readonly sizeBytes: number;
  /** Parts that are out of the line under way. */
  readonly part: number;
}

/**
 * Cuts `bytes`.
 * @param part parts already cut from the line with which the bytes begin
 * @param finished true where nothing will follow, so that a last line without a newline counts
 * @param piecesMax most pieces to cut
 */
export function cutLines(bytes: Buffer, part: number, finished: boolean, piecesMax: number): Cut {
  const pieces: Piece[] = [];
  let start = 0;
  while (pieces.length < piecesMax) {
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline;
    if (end - start > partBytesMax) {
      const cut = start + partLength(bytes, start);
      part += 1;
      pieces.push({ bytes: bytes.subarray(start, cut), part, last: false });
      start = cut;
      continue;
    }
    if (newline === -1 && !(finished && (end > start || part > 0))) break;
    const textEnd = end > start && bytes[end - 1] === 13 ? end - 1 : end;
    pieces.push({ bytes: bytes.subarray(start, textEnd), part: part === 0 ? 0 : part + 1, last: true });
    part = 0;
    start = newline === -1 ? end : end + 1;
    if (start === bytes.length) break;
  }
  return { pieces, sizeBytes: start, part };
}

/** The length of a part: it ends between characters where the bytes are UTF-8, whose characters have 4 bytes at most. */
function partLength(bytes: Buffer, start: number): number {
  for (let length = partBytesMax; length > partBytesMax - 4; length -= 1) {
    if (((bytes[start + length] ?? 0) & 0xc0) !== 0x80) return length;
  }
  return partBytesMax;
}
