/**
 * Where a journal lives: a folder on disk, or a database in memory for the simulator. The states on disk:
 *   journal.db                        opens and checkpoints: the normal case
 *   journal.db.salvaging/journal.db   cannot be read; a new journal.db takes over what it holds
 *   journal.db.damaged-<seconds>/     the same folder, when that is done
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
  statfsSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Env } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import { takeLock } from "../../shared/lock.ts";
import { checkpointAll, type Db, openDatabase } from "../../shared/sqlite.ts";
import { scanWal } from "../../shared/wal.ts";
import { type IdentityCopy, identityFile, syncFolder } from "./identity.ts";
import { prepareSchema } from "./schema.ts";

export interface Place {
  /**
   * Opens the file, with all that a durable commit needs.
   * @throws Fault `damaged` where SQLite would drop commits from it in silence
   */
  open(): Db;
  /** Moves a file that cannot be read out of the way (I10) and says where to, so that it can be salvaged. */
  setAside(): string;
  /** A file of which the salvage was interrupted; what had been taken over is removed, to begin again. */
  unfinished(): string | undefined;
  /** Keeps what was set aside for people to look at, and says where. */
  keepAside(): string;
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

const cacheBytes = 4 * 1024 * 1024;
const ballastBytes = 8 * 1024 * 1024;
/** Damaged journals that are kept: a failing disk must not fill itself with copies of its damage (I8). */
const keptMax = 2;

/** The journal of a real gateway: journal.db, journal.id and a ballast file, locked for this process. */
export function folderPlace(folder: string, env: Env): Place {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = takeLock(join(folder, "journal.lock"), `the journal in ${folder}`);
  const path = join(folder, "journal.db");
  const ballast = join(folder, "ballast");
  const salvaging = `${path}.salvaging`;
  const aside = join(salvaging, "journal.db");

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

  /** The main file last: while it is not there, `unfinished` knows that the move was interrupted. */
  function setAside(): string {
    mkdirSync(salvaging, { recursive: true, mode: 0o700 });
    for (const suffix of ["-wal", ""]) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    rmSync(`${path}-shm`, { force: true });
    syncFolder(folder);
    crashPoint("journal set aside");
    return aside;
  }

  function keepAside(): string {
    const prefix = "journal.db.damaged-";
    const kept = readdirSync(folder).filter((name) => name.startsWith(prefix));
    for (const name of kept.sort().slice(0, -keptMax + 1)) rmSync(join(folder, name), { recursive: true });
    const target = join(folder, `${prefix}${Math.floor(env.wallUs() / 1000)}`);
    renameSync(salvaging, target);
    syncFolder(folder);
    return target;
  }

  /**
   * SQLite drops everything behind a damaged frame of its log in silence (300 of 300 bit flips). A log without its main
   * file belongs to none that could come in its place.
   */
  function refuseDamagedWal(): void {
    const wal = `${path}-wal`;
    if (!existsSync(wal)) return;
    if (!existsSync(path)) {
      setAside();
      keepAside();
      return;
    }
    const { frames, firstBad, losesCommits } = scanWal(wal);
    if (!losesCommits) return;
    throw new Fault("damaged", {
      what: `the log ${wal} cannot be trusted`,
      why: `frame ${firstBad} of ${frames} is damaged, and SQLite would drop all that follow`,
    });
  }

  layBallast();
  return {
    copy: identityFile(join(folder, "journal.id")),
    open() {
      refuseDamagedWal();
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
    setAside,
    unfinished() {
      if (!existsSync(salvaging)) return undefined;
      if (!existsSync(aside)) return setAside();
      removeDatabase(path);
      return aside;
    },
    keepAside,
    freeRoom: () => rmSync(ballast, { force: true }),
    hasRoom: layBallast,
    shut: (db) => void db.close(),
    release: () => lock.release(),
  };
}

function removeDatabase(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
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
    unfinished: () => undefined,
    keepAside: () => "",
    freeRoom: () => {},
    hasRoom: () => true,
    shut: () => {},
    release: () => {},
  };
}
