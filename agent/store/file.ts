/**
 * Opening the store's file: the lock, the look at the WAL after an unclean stop, salvage, and a store that always opens
 * (I10). The states on disk, in the order in which they are tried:
 *   store.db              opens and checkpoints: the normal case
 *   store.db, damaged     is being taken over into store.db.new
 *   store.db.taken        is complete and replaces store.db, whose files go to quarantine/
 *   store.db, unreadable  goes to quarantine/ as it is; an empty store begins
 * store.db.damaged says that a running process met damage: the next start takes over whatever the log looks like. Only
 * damage moves a store: a full disk, or a file that cannot be opened now, leaves it where it is.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Env } from "../../shared/env.ts";
import { codeOf, Fault, messageOf } from "../../shared/errors.ts";
import { type Lock, takeLock } from "../../shared/lock.ts";
import { checkpointAll, type Db, isCorrupt, isFull, isIoError, openDatabase, pageBytes } from "../../shared/sqlite.ts";
import { mendWal, scanWal } from "../../shared/wal.ts";
import { openDamaged } from "./damaged-file.ts";
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
  /** Notes that this file met damage, so that the next start takes it over: where it lies is seldom seen at the open. */
  setDamaged(why: string): void;
  close(): void;
}

/** A device error with less room than this is a full disk: SQLite tells a log index without room as SQLITE_IOERR. */
const roomBytesMin = 1024 * 1024;

/**
 * Opens or creates `store.db` in `folder`.
 * @throws Fault `locked` where another process has it, `too-new` where a newer version wrote it, `full` (retryable)
 * where the disk has no room even for the log's index; nothing else keeps it from opening, except a folder that cannot
 * be written at all
 */
export function openStoreFile(options: StoreFileOptions): StoreFile {
  mkdirSync(options.folder, { recursive: true, mode: 0o750 });
  const path = join(options.folder, "store.db");
  const lock = takeLock(join(options.folder, "store.lock"), `the store ${path}`);
  const quarantine = openQuarantine(join(options.folder, "quarantine"));
  try {
    const { db, recovery } = withRoom(options.folder, () => recover(path, quarantine, options));
    return { db, quarantine, recovery, setDamaged: (why) => mark(path, why), close: () => closeAll(db, lock) };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function mark(path: string, why: string): void {
  try {
    writeFileSync(`${path}.damaged`, why);
  } catch {
    // On a full disk the damage is met again, and noted then.
  }
}

/** On a full disk even opening needs room: the ballast makes it. Without it the store stays as it is, untouched. */
function withRoom<T>(folder: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!lacksRoom(folder, error)) throw error;
    rmSync(join(folder, "ballast"), { force: true });
  }
  try {
    return action();
  } catch (error) {
    if (!lacksRoom(folder, error)) throw error;
    throw new Fault("full", {
      what: "the store cannot be opened",
      why: "the disk is full",
      remedy: "free some room; nothing of the store was touched",
      retryable: true,
      cause: error,
    });
  }
}

function lacksRoom(folder: string, error: unknown): boolean {
  if (isFull(error)) return true;
  const { bavail, bsize } = statfsSync(folder);
  return isIoError(error) && bavail * bsize < roomBytesMin;
}

/** True where the file itself is the reason: its pages, its device, or its head (an error of our own, without a code). */
function isDamage(error: unknown): boolean {
  const code = codeOf(error);
  return isCorrupt(error) || isIoError(error) || code === "" || code === "SQLITE_ERROR";
}

/**
 * True where the device refused a write or a sync. Then nothing says that the store cannot be read: putting it aside would
 * lose what it acknowledged, so the take-over is tried again instead.
 */
export function failsToWrite(error: unknown): boolean {
  const code = codeOf(error);
  return isIoError(error) && !code.includes("READ");
}

function unwritable(path: string, cause: unknown): Fault {
  return new Fault("unavailable", {
    what: `the store ${path} cannot be written back`,
    why: messageOf(cause),
    remedy: "look at the disk and the kernel's log; nothing of the store was given up, and it is tried again",
    retryable: true,
    cause,
  });
}

function closeAll(db: Db, lock: Lock): void {
  db.close();
  lock.release();
}

function recover(path: string, quarantine: Quarantine, options: StoreFileOptions): { db: Db; recovery: string | null } {
  const { log, env } = options;
  // A take-over that was interrupted before it was complete begins again.
  removeStore(`${path}.new`);
  removeStore(`${path}.copy`);
  if (existsSync(`${path}.taken`)) putInPlace(path, quarantine, options);
  const wal = `${path}-wal`;
  // A log without its store belongs to no store that could come in its place: SQLite would play it into that one.
  if (!existsSync(path) && existsSync(wal)) quarantine.keepStore(path, stampOf(env));
  const isUnclean = existsSync(wal) && statSync(wal).size > 0;
  const marker = `${path}.damaged`;
  let why = existsSync(marker) && existsSync(path) ? readFileSync(marker, "utf8") : undefined;
  if (isUnclean && existsSync(path)) {
    const scan = scanWal(wal);
    if (scan.losesCommits) why = `frame ${scan.firstBad} of ${scan.frames} in its log is damaged`;
  }
  if (why === undefined) {
    try {
      return { db: openChecked(path, options, isUnclean), recovery: null };
    } catch (error) {
      if (error instanceof Fault || lacksRoom(options.folder, error) || !isDamage(error)) throw error;
      why = messageOf(error);
    }
  }
  log.warn({ why }, "the store is damaged: what can be read of it is taken over into a new file");
  try {
    return { db: replace(path, quarantine, options), recovery: `taken over into a new file: ${why}` };
  } catch (error) {
    if (error instanceof Fault || lacksRoom(options.folder, error)) throw error;
    if (failsToWrite(error)) throw unwritable(path, error);
    const kept = quarantine.keepStore(path, stampOf(env));
    rmSync(marker, { force: true });
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
    if (isUnclean && !checkpointAll(db)) {
      throw new Fault("locked", {
        what: `the store ${path} is in use`,
        why: "another program has opened it",
        remedy: "close that program first",
        retryable: true,
      });
    }
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
  try {
    copyForReading(path, copy);
    const to = openDatabase(`${path}.new`, options);
    try {
      prepareSchema(to, () => env.randomBytes(16));
      checkpointAll(to);
      const from = openDamaged(copy, `${path}.new`, options.cacheBytes);
      try {
        const taken = takeOver(from, to, (row, bytes) => {
          log.error({ run: row.run, first: row.first, count: row.count }, "a block is damaged");
          quarantine.keepBlock({ name: String(row.stream), epoch: String(row.run) }, row, bytes);
        });
        log.warn(taken, "the store was taken over");
      } finally {
        from.close();
      }
      checkpointAll(to);
    } finally {
      to.close();
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

/** The file under another name, where a mended copy of its log can lie beside it: a second copy would seldom fit. */
function copyForReading(path: string, copy: string): void {
  try {
    linkSync(path, copy);
  } catch {
    // A file system without hard links, such as FAT.
    copyFileSync(path, copy);
  }
  if (!existsSync(`${path}-wal`)) return;
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  const main = openSync(copy, "r");
  const page = Buffer.alloc(pageBytes);
  const hasPage = readSync(main, page, 0, pageBytes, 0) === pageBytes;
  closeSync(main);
  mendWal(`${copy}-wal`, hasPage ? page : undefined);
}

/** The last steps of a take-over; done again from the front where they were interrupted. */
function putInPlace(path: string, quarantine: Quarantine, { folder, env }: StoreFileOptions): void {
  crashPoint("take-over complete");
  quarantine.keepStore(path, stampOf(env));
  crashPoint("take-over put the old store aside");
  rmSync(`${path}.damaged`, { force: true });
  renameSync(`${path}.taken`, path);
  syncFolder(folder);
}

const stampOf = (env: Env): string => String(Math.floor(env.wallUs() / 1000)).padStart(15, "0");
