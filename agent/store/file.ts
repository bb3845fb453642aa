/**
 * Opening the store's file: the lock, the look at the WAL after an unclean stop, salvage, and a store that always opens
 * (I10). The states on disk, in the order in which they are tried:
 *   store.db              opens and checkpoints: the normal case
 *   store.db, damaged     is being taken over into store.db.new
 *   store.db.taken        is complete and replaces store.db, whose files go to quarantine/
 *   store.db, unreadable  goes to quarantine/ as it is; an empty store begins
 */
import { copyFileSync, existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Env } from "../../shared/env.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import { type Lock, takeLock } from "../../shared/lock.ts";
import { checkpointAll, type Db, openDatabase } from "../../shared/sqlite.ts";
import { mendWal, scanWal } from "../../shared/wal.ts";
import { openQuarantine, type Quarantine, removeStore, syncFolder } from "./quarantine.ts";
import { prepareSchema } from "./schema.ts";
import { takeOver } from "./takeover.ts";

export interface StoreFileOptions {
  readonly folder: string;
  readonly cacheBytes: number;
  /** Hard limit of the main file, above the quota. */
  readonly fileBytesMax: number;
  readonly env: Env;
  readonly log: Logger;
}

export interface StoreFile {
  readonly db: Db;
  readonly quarantine: Quarantine;
  /** What had to be done to open it, for status: null in the normal case. */
  readonly recovery: string | null;
  close(): void;
}

/**
 * Opens or creates `store.db` in `folder`.
 * @throws Fault `locked` where another process has it, `too-new` where a newer version wrote it; nothing else keeps it
 * from opening, except a folder that cannot be written at all
 */
export function openStoreFile(options: StoreFileOptions): StoreFile {
  mkdirSync(options.folder, { recursive: true, mode: 0o750 });
  const path = join(options.folder, "store.db");
  const lock = takeLock(join(options.folder, "store.lock"), `the store ${path}`);
  const quarantine = openQuarantine(join(options.folder, "quarantine"));
  try {
    const { db, recovery } = recover(path, quarantine, options);
    return { db, quarantine, recovery, close: () => closeAll(db, lock) };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function closeAll(db: Db, lock: Lock): void {
  db.close();
  lock.release();
}

function recover(path: string, quarantine: Quarantine, options: StoreFileOptions): { db: Db; recovery: string | null } {
  const { log, env } = options;
  // A take-over that was interrupted before it was complete begins again.
  removeStore(`${path}.new`);
  if (existsSync(`${path}.taken`)) putInPlace(path, quarantine, options);
  const wal = `${path}-wal`;
  // A log without its store belongs to no store that could come in its place: SQLite would play it into that one.
  if (!existsSync(path) && existsSync(wal)) quarantine.keepStore(path, stampOf(env));
  const isUnclean = existsSync(wal) && statSync(wal).size > 0;
  let why: string | undefined;
  if (isUnclean && existsSync(path)) {
    const scan = scanWal(wal);
    if (scan.losesCommits) why = `frame ${scan.firstBad} of ${scan.frames} in its log is damaged`;
  }
  if (why === undefined) {
    try {
      return { db: openChecked(path, options, isUnclean), recovery: null };
    } catch (error) {
      if (error instanceof Fault) throw error;
      why = messageOf(error);
    }
  }
  log.warn({ why }, "the store is damaged: what can be read of it is taken over into a new file");
  try {
    return { db: replace(path, quarantine, options), recovery: `taken over into a new file: ${why}` };
  } catch (error) {
    if (error instanceof Fault) throw error;
    const kept = quarantine.keepStore(path, stampOf(env));
    log.error({ err: error, kept }, "the store cannot be read: it was put aside and an empty one begins");
    return { db: openChecked(path, options, false), recovery: `put aside as ${kept}: ${why}` };
  }
}

function openChecked(path: string, options: StoreFileOptions, isUnclean: boolean): Db {
  const db = openDatabase(path, options);
  try {
    crashPoint("store without tables");
    prepareSchema(db, () => options.env.randomBytes(16));
    // The page cache may call clean what never reached the disk: nothing is accepted before this has gone through.
    if (isUnclean && !checkpointAll(db)) throw new Error("its log cannot be written back");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Takes the damaged store over into a new file, and puts that in its place. */
function replace(path: string, quarantine: Quarantine, options: StoreFileOptions): Db {
  const { log, env } = options;
  const copy = `${path}.copy`;
  removeStore(copy);
  copyFileSync(path, copy);
  if (existsSync(`${path}-wal`)) {
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    mendWal(`${copy}-wal`);
  }
  try {
    const from = openDatabase(copy, { cacheBytes: options.cacheBytes });
    try {
      const to = openDatabase(`${path}.new`, options);
      try {
        prepareSchema(to, () => env.randomBytes(16));
        const taken = takeOver(from, to, (row, bytes) => {
          log.error({ run: row.run, first: row.first, count: row.count }, "a block is damaged");
          quarantine.keepBlock({ name: String(row.stream), epoch: String(row.run) }, row, bytes);
        });
        log.warn(taken, "the store was taken over");
        checkpointAll(to);
      } finally {
        to.close();
      }
    } finally {
      from.close();
    }
    crashPoint("take-over filled");
    // From here on the new file is the store: a WAL of the old one that is still there must never be played into it.
    renameSync(`${path}.new`, `${path}.taken`);
    syncFolder(options.folder);
  } finally {
    removeStore(copy);
  }
  putInPlace(path, quarantine, options);
  return openChecked(path, options, false);
}

/** The last steps of a take-over; done again from the front where they were interrupted. */
function putInPlace(path: string, quarantine: Quarantine, { folder, env }: StoreFileOptions): void {
  crashPoint("take-over complete");
  quarantine.keepStore(path, stampOf(env));
  crashPoint("take-over put the old store aside");
  renameSync(`${path}.taken`, path);
  syncFolder(folder);
}

const stampOf = (env: Env): string => String(Math.floor(env.wallUs() / 1000)).padStart(15, "0");
