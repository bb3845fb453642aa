/** Damage to the files of a stopped or killed process, as worn-out cards do it. */
import { closeSync, fstatSync, openSync, readSync, truncateSync, writeSync } from "node:fs";

const walHeaderBytes = 32;
const frameHeadBytes = 24;
const pageBytes = 4096;
const frameBytes = frameHeadBytes + pageBytes;

/** Flips one bit of a file. */
export function flipBit(path: string, offset: number, bit: number): void {
  const file = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    if (readSync(file, byte, 0, 1, offset) !== 1) throw new Error(`${path} has no byte ${offset}`);
    writeSync(file, Buffer.of((byte[0] as number) ^ (1 << bit)), 0, 1, offset);
  } finally {
    closeSync(file);
  }
}

/** Overwrites a page of a database with junk, as a dead flash block gives it back. */
export function junkPage(path: string, page: number): void {
  const file = openSync(path, "r+");
  try {
    writeSync(file, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, (page - 1) * pageBytes);
  } finally {
    closeSync(file);
  }
}

/** Frames of the current generation in a WAL: those with the header's salts. */
export function walFrames(path: string): number {
  const file = openSync(path, "r");
  try {
    const header = Buffer.alloc(walHeaderBytes);
    readSync(file, header, 0, walHeaderBytes, 0);
    const head = Buffer.alloc(frameHeadBytes);
    const whole = Math.floor((fstatSync(file).size - walHeaderBytes) / frameBytes);
    for (let frame = 0; frame < whole; frame++) {
      readSync(file, head, 0, frameHeadBytes, walHeaderBytes + frame * frameBytes);
      if (head.compare(header, 16, 24, 8, 16) !== 0) return frame;
    }
    return whole;
  } finally {
    closeSync(file);
  }
}

/**
 * Flips one bit in the page of a WAL frame.
 * @param part which frame, 0 to 1 of those that count
 * @param where which byte of its page, 0 to 1
 */
export function flipInWal(path: string, part: number, where = 0.5, bit = 3): void {
  const frame = Math.min(walFrames(path) - 1, Math.floor(walFrames(path) * part));
  const at = walHeaderBytes + frame * frameBytes + frameHeadBytes + Math.floor((pageBytes - 1) * where);
  flipBit(path, at, bit);
}

/** Cuts a WAL in the middle of a frame, as a power cut in the middle of a write does. */
export function tearWal(path: string, framesKept: number): void {
  truncateSync(path, walHeaderBytes + framesKept * frameBytes + frameHeadBytes + 1_000);
}
