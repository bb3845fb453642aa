/**
 * SQLite's write-ahead log, read by ourselves before SQLite does: at a damaged frame SQLite drops everything behind it
 * in silence (300 of 300 bit flips, on average half of the rows; measured). The layout is from SQLite's file format
 * document, §4: a header of 32 bytes, then frames of 24 bytes and a page. A frame counts while its salts are the
 * header's and its checksum, which runs over all frames before it, holds.
 */
import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { pageBytes as filePageBytes } from "./sqlite.ts";

const headerBytes = 32;
const frameHeadBytes = 24;
const magicLittleEndian = 0x377f0682;
const walFormat = 3_007_000;

export interface WalScan {
  /** Frames of the current generation, the damaged ones included. */
  readonly frames: number;
  /** Index of the first frame whose checksum does not hold; equals `frames` where all do. */
  readonly firstBad: number;
  /**
   * True where a commit lies at or behind the first bad frame: it was on its way to the disk or there, and SQLite would
   * drop it. A torn end without a commit was never acknowledged, and dropping it is right.
   */
  readonly losesCommits: boolean;
}

interface Frames {
  readonly file: number;
  readonly header: Buffer;
  /** False where the header is damaged and `header` is what it must have been. */
  readonly headerHolds: boolean;
  readonly pageBytes: number;
  readonly bigEndian: boolean;
  readonly count: number;
  /** Checksum of the header, where that of the frames begins. */
  readonly start: readonly [number, number];
}

/** The running checksum of a WAL over `bytes`, whose length is a multiple of 8. */
function walChecksum(bytes: Buffer, from: readonly [number, number], bigEndian: boolean): [number, number] {
  let [a, b] = from;
  for (let at = 0; at < bytes.length; at += 8) {
    const x = bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
    const y = bigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4);
    a = (a + x + b) >>> 0;
    b = (b + y + a) >>> 0;
  }
  return [a, b];
}

function sumOf(header: Buffer): [number, number] {
  return walChecksum(header.subarray(0, 24), [0, 0], (header.readUInt32BE(0) & 1) === 1);
}

function holds(header: Buffer): boolean {
  const [a, b] = sumOf(header);
  const magic = header.readUInt32BE(0);
  const isMagic = (magic & 0xffff_fffe) >>> 0 === magicLittleEndian;
  return isMagic && header.readUInt32BE(24) === a && header.readUInt32BE(28) === b;
}

function newHeader(salts: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(magicLittleEndian, 0);
  header.writeUInt32BE(walFormat, 4);
  header.writeUInt32BE(filePageBytes, 8);
  header.set(salts, 16);
  const [a, b] = sumOf(header);
  header.writeUInt32BE(a, 24);
  header.writeUInt32BE(b, 28);
  return header;
}

/**
 * What a damaged header must have been, from the salts of the frames: one flipped bit in it makes SQLite drop the whole
 * log (all of 20 tries). Two places must agree on the salts, so that a file of junk is not taken for a log.
 */
function rebuiltHeader(file: number, damaged: Buffer): Buffer | undefined {
  const salts = [0, 1].map((frame) => {
    const bytes = Buffer.alloc(8);
    readSync(file, bytes, 0, 8, headerBytes + frame * (frameHeadBytes + filePageBytes) + 8);
    return bytes;
  });
  const [first, second] = salts as [Buffer, Buffer];
  if (!first.equals(second) && !first.equals(damaged.subarray(16, 24))) return undefined;
  return newHeader(first);
}

/** Counts the frames that carry the header's salts; undefined where the file is no WAL or holds none. */
function openFrames(file: number): Frames | undefined {
  const found = Buffer.alloc(headerBytes);
  if (readSync(file, found, 0, headerBytes, 0) < headerBytes) return undefined;
  const headerHolds = holds(found);
  const header = headerHolds ? found : rebuiltHeader(file, found);
  if (header === undefined) return undefined;
  const bigEndian = (header.readUInt32BE(0) & 1) === 1;
  const pageBytes = header.readUInt32BE(8);
  const whole = Math.floor((fstatSync(file).size - headerBytes) / (frameHeadBytes + pageBytes));
  const head = Buffer.alloc(frameHeadBytes);
  let count = 0;
  for (let i = 0; i < whole; i++) {
    readSync(file, head, 0, frameHeadBytes, headerBytes + i * (frameHeadBytes + pageBytes));
    // Damaged salts must not end the search: three zeroed pages would hide every commit behind them.
    if (head.compare(header, 16, 24, 8, 16) === 0) count = i + 1;
  }
  return { file, header, headerHolds, pageBytes, bigEndian, count, start: sumOf(header) };
}

/** Walks the frames with the checksum that each should carry, given the stored one of its predecessor. */
function* walk(frames: Frames): Iterable<{ index: number; at: number; frame: Buffer; holds: boolean }> {
  const frameBytes = frameHeadBytes + frames.pageBytes;
  const frame = Buffer.alloc(frameBytes);
  let sum: readonly [number, number] = frames.start;
  for (let index = 0; index < frames.count; index++) {
    const at = headerBytes + index * frameBytes;
    readSync(frames.file, frame, 0, frameBytes, at);
    sum = walChecksum(frame.subarray(0, 8), sum, frames.bigEndian);
    sum = walChecksum(frame.subarray(frameHeadBytes), sum, frames.bigEndian);
    // The checksum does not cover the salts, but SQLite ends its reading at a frame that has others.
    const isOwn = frame.compare(frames.header, 16, 24, 8, 16) === 0;
    const holds = isOwn && frame.readUInt32BE(16) === sum[0] && frame.readUInt32BE(20) === sum[1];
    yield { index, at, frame, holds };
  }
}

/** Looks at a WAL without changing it. A file that is no WAL has no frames. */
export function scanWal(path: string): WalScan {
  const file = openSync(path, "r");
  try {
    const frames = openFrames(file);
    if (frames === undefined) return { frames: 0, firstBad: 0, losesCommits: false };
    let firstBad = frames.headerHolds ? frames.count : 0;
    let losesCommits = false;
    for (const { index, frame, holds } of walk(frames)) {
      if (!holds && firstBad === frames.count) firstBad = index;
      if (firstBad <= index && frame.readUInt32BE(4) !== 0) losesCommits = true;
    }
    return { frames: frames.count, firstBad, losesCommits };
  } finally {
    closeSync(file);
  }
}

/**
 * Gives every frame of the current generation the salts and the checksum that SQLite expects, so that it reads them all.
 * Only for a copy: the pages in damaged frames are still damaged, and each block must be judged by its own CRC. But for
 * the first page, which holds the names of all tables: one flipped bit there hides everything, and an earlier version of
 * it says the same to a reader.
 * @param firstPage the first page of the main file, absent where it has none yet
 */
export function mendWal(path: string, firstPage?: Uint8Array): void {
  const file = openSync(path, "r+");
  try {
    const frames = openFrames(file);
    if (frames === undefined) return;
    writeSync(file, frames.header, 0, headerBytes, 0);
    const salts = frames.header.subarray(16, 24);
    const sum = Buffer.alloc(16);
    let running: readonly [number, number] = frames.start;
    let storedBefore: readonly [number, number] = frames.start;
    let good = firstPage;
    for (const { at, frame } of walk(frames)) {
      const stored = [frame.readUInt32BE(16), frame.readUInt32BE(20)] as const;
      if (frame.readUInt32BE(0) === 1) {
        const head = walChecksum(frame.subarray(0, 8), storedBefore, frames.bigEndian);
        const [a, b] = walChecksum(frame.subarray(frameHeadBytes), head, frames.bigEndian);
        if (a === stored[0] && b === stored[1]) good = Buffer.from(frame.subarray(frameHeadBytes));
        else if (good !== undefined) {
          frame.set(sizedByFile(good), frameHeadBytes);
          writeSync(file, frame, frameHeadBytes, frames.pageBytes, at + frameHeadBytes);
        }
      }
      storedBefore = stored;
      running = walChecksum(frame.subarray(0, 8), running, frames.bigEndian);
      running = walChecksum(frame.subarray(frameHeadBytes), running, frames.bigEndian);
      salts.copy(sum, 0);
      sum.writeUInt32BE(running[0], 8);
      sum.writeUInt32BE(running[1], 12);
      writeSync(file, sum, 0, 16, at + 8);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Places of two counters in SQLite's header (file format, §1.3). */
const changesOffset = 24;
const sizeValidForOffset = 92;

/**
 * A first page that another version of the database had: where the two counters differ, SQLite goes by the size of the
 * file and the log and not by the one on the page, beyond which it would call every page corrupt.
 */
export function sizedByFile(firstPage: Uint8Array): Buffer {
  const page = Buffer.from(firstPage);
  page.writeUInt32BE(1, changesOffset);
  page.writeUInt32BE(0, sizeValidForOffset);
  return page;
}

/**
 * Appends a version of one page to a log that holds, as a commit of its own, so that readers of a copy see it instead of
 * a damaged one. Makes the log where there is none.
 * @param mainPages size of the main file in pages; with what the log adds it is that of the database
 */
export function appendPage(path: string, pageNumber: number, page: Uint8Array, mainPages: number): void {
  const file = openSync(path, existsSync(path) ? "r+" : "wx+");
  try {
    const frames = openFrames(file);
    const header = frames?.header ?? newHeader(new Uint8Array(8));
    if (frames === undefined) writeSync(file, header, 0, headerBytes, 0);
    let sum: readonly [number, number] = sumOf(header);
    let pages = mainPages;
    for (const { frame } of frames === undefined ? [] : walk(frames)) {
      sum = [frame.readUInt32BE(16), frame.readUInt32BE(20)];
      // A damaged size is no size: the log cannot add more pages than it has frames.
      const size = frame.readUInt32BE(4);
      if (size <= mainPages + (frames?.count ?? 0)) pages = Math.max(pages, size);
    }
    const frame = Buffer.alloc(frameHeadBytes + filePageBytes);
    frame.writeUInt32BE(pageNumber, 0);
    frame.writeUInt32BE(pages, 4);
    header.copy(frame, 8, 16, 24);
    frame.set(page, frameHeadBytes);
    const isBigEndian = frames?.bigEndian ?? false;
    sum = walChecksum(frame.subarray(0, 8), sum, isBigEndian);
    sum = walChecksum(frame.subarray(frameHeadBytes), sum, isBigEndian);
    frame.writeUInt32BE(sum[0], 16);
    frame.writeUInt32BE(sum[1], 20);
    writeSync(file, frame, 0, frame.length, headerBytes + (frames?.count ?? 0) * frame.length);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
