/**
 * The quarantine: a folder beside the store where damaged blocks and whole damaged stores go. Nothing is deleted for
 * being unreadable, but the folder is bounded: a failing card must not fill itself with copies of its damage (I8, I10).
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { crashPoint } from "../../shared/crash-point.ts";
import type { BlockRow } from "./blocks.ts";

/** Damaged blocks kept as files; further ones are only reported. */
const blockFilesMax = 256;
/** Whole stores kept. */
const storesMax = 2;

export interface Quarantine {
  readonly folder: string;
  /** Keeps the bytes of a damaged block in a file named after it. */
  keepBlock(lane: { name: string; epoch: string }, row: BlockRow, bytes: Uint8Array | undefined): void;
  /** Moves a store's files here, and the oldest store out. Returns the new path of the main file. */
  keepStore(path: string, stamp: string): string;
}

export function openQuarantine(folder: string): Quarantine {
  const names = (prefix: string): string[] =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((name) => name.startsWith(prefix))
          .sort()
      : [];
  return {
    folder,
    keepBlock(lane, row, bytes) {
      if (bytes === undefined || names("block-").length >= blockFilesMax) return;
      try {
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, `block-${lane.name}-${lane.epoch}-${row.first}-${row.count}`), bytes);
      } catch {
        // A side file that cannot be written (a full disk) must not keep the loss record from being made.
      }
    },
    keepStore(path, stamp) {
      mkdirSync(folder, { recursive: true });
      const kept = names("store-").filter((name) => name.endsWith(".db"));
      for (const name of kept.slice(0, Math.max(0, kept.length - storesMax + 1))) removeStore(join(folder, name));
      const target = join(folder, `store-${stamp}.db`);
      for (const suffix of ["", "-wal"]) {
        if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
        crashPoint(`store${suffix} quarantined`);
      }
      rmSync(`${path}-shm`, { force: true });
      syncFolder(dirname(path));
      return target;
    },
  };
}

/** Removes a database and its companions. */
export function removeStore(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}

/** Makes renames in a folder durable. */
export function syncFolder(folder: string): void {
  const file = openSync(folder, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
