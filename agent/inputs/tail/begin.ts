/** Where to begin in a file: decided by what the cursors say and by what the file holds. */
import type { FileHandle } from "node:fs/promises";
import { type Cursor, fingerprint, headBytesMax, readCursor } from "./cursor.ts";
import { isPacked, type Place, readBytes, resume, startOfFile } from "./file.ts";

/** How a file is known, and where to begin in it. */
export type Beginning =
  | { readonly as: "itself" | "copy"; readonly path: string; readonly place: Place }
  /** Another file stood under its name of device and inode, or it was truncated. */
  | { readonly as: "replaced"; readonly place: Place }
  | { readonly as: "new"; readonly place: Place }
  /** Gzip and the like: an archive of lines that were read before they were packed. */
  | { readonly as: "packed" }
  /** It may be a copy under way, and moves still. */
  | { readonly as: "unsettled" };

/**
 * Decides.
 * @param own the file's own cursor
 * @param all every cursor of the input
 * @param isSettled asked only of what may be a copy: true once it stands still
 */
export async function beginningOf(
  handle: FileHandle,
  own: Cursor | undefined,
  all: Iterable<string>,
  isSettled: () => boolean,
): Promise<Beginning> {
  if (own !== undefined) {
    const place = await resume(handle, own);
    if (place !== undefined) return { as: "itself", path: own.path, place };
  }
  const head = await readBytes(handle, 0, headBytesMax);
  if (isPacked(head)) return { as: "packed" };
  if (own !== undefined) return { as: "replaced", place: startOfFile };
  // The first kB and the bytes before the position agree only in a copy: of a log that was copied and then truncated,
  // on a disk that got another number, or out of a backup. It goes on where the other stood: nothing is doubled, and
  // what came between the last look and the truncation is not lost.
  const alike = head.length < headBytesMax ? [] : cursorsWithHead(all, fingerprint(head));
  if (alike.length > 0 && !isSettled()) return { as: "unsettled" };
  for (const cursor of alike) {
    const place = await resume(handle, cursor);
    if (place !== undefined) return { as: "copy", path: cursor.path, place };
  }
  return { as: "new", place: startOfFile };
}

/** The cursors of files that begin alike, the furthest first. */
function cursorsWithHead(all: Iterable<string>, head: string): Cursor[] {
  const alike: Cursor[] = [];
  for (const value of all) {
    const cursor = readCursor(value);
    if (cursor?.headBytes === headBytesMax && cursor.head === head) alike.push(cursor);
  }
  return alike.sort((a, b) => b.offset - a.offset);
}
