/**
 * The queue's segment files. The open one is `<n>.ndjson.open`; once it is closed it is renamed to `<n>.ndjson` and
 * never changes again. The rows in positions.db say how many bytes of each are committed; after a crash the files are
 * brought in line with them here.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Fault } from "../../shared/errors.ts";
import type { SegmentRow } from "./positions.ts";

/** File name of a closed segment: the digits make names sort like numbers. */
export function segmentName(segment: number): string {
  return `${String(segment).padStart(12, "0")}.ndjson`;
}

/** File name of a segment while it is the open one. */
export function openSegmentName(segment: number): string {
  return `${segmentName(segment)}.open`;
}

/** Makes creations, renames and removals in `folder` durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** True where the folder holds segments, whatever their numbers. */
export function holdsSegments(folder: string): boolean {
  return segmentsIn(folder).length > 0;
}

/**
 * The one recovery of files, after a crash, a failed commit and a roll-over alike: finishes interrupted renames, cuts
 * what stands behind the committed length, and opens the open segment.
 * @param rows all segments of positions.db, oldest first, the open one last
 * @returns a file descriptor of the open segment, and the closed segments whose files are gone
 * @throws Fault `damaged` where committed lines are missing; the system's errors
 */
export function recoverSegments(folder: string, rows: readonly SegmentRow[]): { fd: number; gone: number[] } {
  const open = rows.at(-1);
  if (open === undefined || open.closedMs !== null) throw damaged(folder, "positions.db names no open segment");
  const files = segmentsIn(folder);
  const beyond = files.find((name) => name >= segmentName(open.segment) && name !== openSegmentName(open.segment));
  if (beyond !== undefined) throw damaged(folder, `positions.db is older than ${beyond}`);

  const gone: number[] = [];
  const known = new Set(files);
  for (const { segment, bytes } of rows.slice(0, -1)) {
    if (known.has(openSegmentName(segment))) finishRollOver(folder, segment, bytes);
    else if (!known.has(segmentName(segment))) gone.push(segment);
  }
  const fd = openAtCommitted(join(folder, openSegmentName(open.segment)), folder, open.bytes);
  try {
    syncFolder(folder);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, gone };
}

/**
 * Writes `chunks` behind each other from `position` on.
 * @param pause awaited between two chunks, so that a large commit does not hold up everything else
 * @returns the position behind the last byte
 */
export async function writeChunks(
  fd: number,
  position: number,
  chunks: Iterable<Uint8Array>,
  pause: () => Promise<void>,
): Promise<number> {
  let end = position;
  for (const chunk of chunks) {
    if (end > position) await pause();
    // A full disk shows as a short write first, and as ENOSPC only in the next one.
    for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done, chunk.length - done, end + done);
    end += chunk.length;
  }
  return end;
}

/** Makes the file's bytes durable without holding up the event loop. */
export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
}

/** Deletes closed segments. */
export function removeSegments(folder: string, segments: readonly number[]): void {
  for (const segment of segments) {
    const path = join(folder, segmentName(segment));
    if (existsSync(path)) unlinkSync(path);
  }
  syncFolder(folder);
}

function segmentsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^\d{12}\.ndjson(\.open)?$/.test(name));
}

function finishRollOver(folder: string, segment: number, bytes: number): void {
  const path = join(folder, openSegmentName(segment));
  closeSync(openAtCommitted(path, folder, bytes));
  renameSync(path, join(folder, segmentName(segment)));
}

/** Opens a segment for writing, cut to its committed length; makes it where nothing was committed yet. */
function openAtCommitted(path: string, folder: string, bytes: number): number {
  if (bytes > 0 && !existsSync(path)) throw damaged(folder, `${path} is missing and held ${bytes} bytes`);
  const fd = openSync(path, existsSync(path) ? "r+" : "wx+", 0o644);
  try {
    const { size } = fstatSync(fd);
    if (size < bytes) throw damaged(folder, `${path} has ${size} bytes, and ${bytes} were committed`);
    if (size > bytes) {
      ftruncateSync(fd, bytes);
      fsyncSync(fd);
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function damaged(folder: string, why: string): Fault {
  return new Fault("damaged", {
    what: `the queue in ${folder} has lost committed lines`,
    why,
    remedy:
      "restore the whole folder from one backup, or move it away so that a new queue is made, and declare lost what is missing",
  });
}
