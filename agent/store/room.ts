/**
 * The room of a store: its quota, and a ballast file that is given up when the disk itself is full, because on a full
 * disk SQLite cannot even delete (measured).
 */
import { closeSync, existsSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** The ballast is laid again only where this many times its size is free. */
const comfortFactor = 4;

export interface Ballast {
  /** Gives the ballast's space back to the file system. Returns false where there was none. */
  drop(): boolean;
  /** Lays it again where the disk has room. Returns true where it lies. */
  restore(): boolean;
}

/**
 * Lays the ballast where there is room.
 * @param ballastBytes enough for the WAL of a transaction that frees blocks: 8 MB
 */
export function openBallast(path: string, ballastBytes: number): Ballast {
  const ballast: Ballast = {
    drop() {
      if (!existsSync(path)) return false;
      rmSync(path);
      return true;
    },
    restore() {
      if (existsSync(path) && statSync(path).size === ballastBytes) return true;
      const { bavail, bsize } = statfsSync(dirname(path));
      if (bavail * bsize < comfortFactor * ballastBytes) return false;
      try {
        lay(path, ballastBytes);
        return true;
      } catch {
        // The room went elsewhere in the meantime. Neither a start nor an append that has committed may fail for it
        // (I10); half a ballast is worth less than the room it takes.
        rmSync(path, { force: true });
        return false;
      }
    },
  };
  ballast.restore();
  return ballast;
}

function lay(path: string, ballastBytes: number): void {
  const file = openSync(path, "w");
  try {
    // Real zeros, not a hole: a sparse file would hold no space back.
    const zeros = Buffer.alloc(256 * 1024);
    for (let at = 0; at < ballastBytes; at += zeros.length) {
      writeSync(file, zeros, 0, Math.min(zeros.length, ballastBytes - at), at);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
