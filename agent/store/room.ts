/**
 * The room of a store: its quota, and a ballast file that is given up when the disk itself is full, because on a full
 * disk SQLite cannot even delete (measured).
 */
import { closeSync, existsSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Size of the ballast: enough for the WAL of a transaction that frees blocks. */
export const ballastBytes = 8 * 1024 * 1024;
/** The ballast is laid again only when this much more than it is free. */
const comfortBytes = 4 * ballastBytes;

export interface Ballast {
  /** Gives the ballast's space back to the file system. Returns false where there was none. */
  drop(): boolean;
  /** Lays it again where the disk has room. */
  restore(): void;
}

export function openBallast(path: string): Ballast {
  const ballast: Ballast = {
    drop() {
      if (!existsSync(path)) return false;
      rmSync(path);
      return true;
    },
    restore() {
      if (existsSync(path) && statSync(path).size === ballastBytes) return;
      const { bavail, bsize } = statfsSync(dirname(path));
      if (bavail * bsize < comfortBytes) return;
      const file = openSync(path, "w");
      try {
        // Real zeros, not a hole: a sparse file would hold no space back.
        const zeros = Buffer.alloc(256 * 1024);
        for (let at = 0; at < ballastBytes; at += zeros.length) writeSync(file, zeros, 0, zeros.length, at);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
    },
  };
  ballast.restore();
  return ballast;
}
