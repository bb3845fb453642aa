/** Where a journal lives: a folder on disk, or a database in memory for the simulator. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Env } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import { takeLock } from "../../shared/lock.ts";
import { checkpointAll, type Db, openDatabase } from "../../shared/sqlite.ts";
import { type IdentityCopy, identityFile } from "./identity.ts";
import { prepareSchema } from "./schema.ts";

export interface Place {
  /** Opens the file, with all that a durable commit needs. */
  open(): Db;
  /** Moves a file that cannot be read out of the way and says where to; it is never deleted (I10). */
  setAside(): string;
  /** Gives up the ballast: on a full disk even DELETE needs room. */
  freeRoom(): void;
  /** True where the ballast is there, or could be laid again. */
  hasRoom(): boolean;
  /** Closes what `open` returned. */
  shut(db: Db): void;
  /** Gives the place free for others. */
  release(): void;
  readonly copy: IdentityCopy;
}

const cacheBytes = 16 * 1024 * 1024;
const ballastBytes = 8 * 1024 * 1024;

/** The journal of a real gateway: journal.db, journal.id and a ballast file, locked for this process. */
export function folderPlace(folder: string, env: Env): Place {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = takeLock(join(folder, "journal.lock"), `the journal in ${folder}`);
  const path = join(folder, "journal.db");
  const ballast = join(folder, "ballast");

  function layBallast(): boolean {
    if (existsSync(ballast)) return true;
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize < 2 * ballastBytes) return false;
    try {
      // Written, not only sized: a sparse file holds no room.
      writeDurably(`${ballast}.new`, new Uint8Array(ballastBytes));
      renameSync(`${ballast}.new`, ballast);
      return true;
    } catch {
      rmSync(`${ballast}.new`, { force: true });
      return false;
    }
  }

  layBallast();
  return {
    copy: identityFile(join(folder, "journal.id")),
    open() {
      const db = openDatabase(path, { cacheBytes });
      try {
        prepareSchema(db);
        // After an unclean stop the page cache may call clean what never reached the disk.
        if (!checkpointAll(db)) throw new Fault("locked", { what: `${path} is held by another program` });
        return db;
      } catch (error) {
        db.close();
        throw error;
      }
    },
    setAside() {
      const aside = `${path}.damaged-${Math.floor(env.wallUs() / 1_000_000)}`;
      for (const suffix of ["-wal", "-shm", ""]) {
        if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
      }
      return aside;
    },
    freeRoom: () => rmSync(ballast, { force: true }),
    hasRoom: layBallast,
    shut: (db) => void db.close(),
    release: () => lock.release(),
  };
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const file = openSync(path, "w", 0o600);
  try {
    writeSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * A database that somebody else opens and closes: a crash drops the journal and keeps the handle.
 * `copy` outlives the crash too, as journal.id does.
 */
export function memoryPlace(db: Db, copy: IdentityCopy): Place {
  return {
    copy,
    open() {
      if (db.inTransaction) db.exec("ROLLBACK");
      prepareSchema(db);
      return db;
    },
    setAside() {
      throw new Fault("damaged", { what: "a journal in memory cannot be set aside" });
    },
    freeRoom: () => {},
    hasRoom: () => true,
    shut: () => {},
    release: () => {},
  };
}
