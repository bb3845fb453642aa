/**
 * The file queue: NDJSON segments and positions.db in one folder, on one box. FORMAT.md describes what stands there.
 *
 * A commit writes its lines behind the committed length of the open segment, syncs them, and then moves committed
 * length and positions in one SQLite transaction: that transaction is the atomic step (I5). Whatever fails, the next
 * step starts by bringing the files in line with the rows again, exactly as after a crash.
 */
import { closeSync, existsSync, mkdirSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Env } from "../../shared/env.ts";
import { codeOf, Fault } from "../../shared/errors.ts";
import { takeLock } from "../../shared/lock.ts";
import { takeTurns } from "../turns.ts";
import { fullFault, queueFault } from "./faults.ts";
import { encodeLines } from "./lines.ts";
import { openPositions, type Positions } from "./positions.ts";
import type { Queue } from "./queue.ts";
import { outlived, type Retention } from "./retention.ts";
import { holdsSegments, recoverSegments, removeSegments, syncFile, syncFolder, writeChunks } from "./segments.ts";

export interface FileQueueOptions extends Retention {
  readonly folder: string;
  readonly env: Env;
  /** The open segment is closed once it has this many bytes; a commit is never split over two. */
  readonly segmentBytesMax: number;
  /** The open segment is closed this long after its first line. */
  readonly segmentAgeMaxMs: number;
  readonly log?: Logger;
}

/** Lines encoded and written at a time: some ms of work, then others get their turn. */
const chunkBytes = 512 * 1024;
/** Calls that may wait behind the one at work (I8). */
const waitingMax = 64;
/** Free space that is left alone, so that SQLite and the operator can still work: a part of the disk, up to a limit. */
const reservePart = 1 / 16;
const reserveBytesMax = 256 * 1024 * 1024;
const tickMsMax = 60_000;

/**
 * Opens the queue in `folder` and makes it where there is none.
 * @throws Fault `locked`, `damaged`, `too-new`, `full`, `unavailable`
 */
export function openFileQueue(options: FileQueueOptions): Queue {
  const { folder, env, log } = options;
  const lock = guarded(() => {
    const created = mkdirSync(folder, { recursive: true });
    if (created !== undefined) syncFolder(dirname(created));
    return takeLock(join(folder, "queue.lock"), `the queue in ${folder}`);
  });
  const path = join(folder, "positions.db");
  const buffer = Buffer.allocUnsafe(chunkBytes);
  const startMs = env.monoMs();
  let db: Positions | undefined;
  let open: { fd: number; segment: number; bytes: number; openedMs: number } | undefined;
  let closing: Promise<void> | undefined;
  let closed = false;
  let committed = 0;
  const turns = takeTurns();

  /** Everything that a step needs, recovered where an earlier step failed. */
  function ready(): { db: Positions; open: NonNullable<typeof open> } {
    if (closed) throw new Fault("closed", { what: "the queue is closed", retryable: true });
    if (db === undefined) {
      if (!existsSync(path) && holdsSegments(folder)) {
        throw new Fault("damaged", {
          what: `the queue in ${folder} has segments but no positions.db`,
          remedy:
            "restore positions.db together with the segments, or move the folder away so that a new queue is made",
        });
      }
      db = openPositions(path, env);
    }
    if (open === undefined) {
      const rows = db.segments();
      const { fd, gone } = recoverSegments(folder, rows);
      const { segment, bytes, openedMs } = rows.at(-1) as (typeof rows)[number];
      open = { fd, segment, bytes, openedMs };
      for (const missing of gone) db.dropSegment(missing);
      if (gone.length > 0) log?.warn({ segments: gone }, "closed segments of the queue are gone");
    }
    return { db, open };
  }

  function letGoOfSegment(): void {
    if (open !== undefined) closeSync(open.fd);
    open = undefined;
  }

  /**
   * After a failed sync the kernel may call pages clean that never reached the disk, and a failed transaction may have
   * landed or not: neither handle is trusted again, what is on disk decides. What was half written is cut at once.
   */
  function letGo(error: unknown): void {
    if (closed) return;
    letGoOfSegment();
    if (codeOf(error).startsWith("SQLITE_") && codeOf(error) !== "SQLITE_FULL") {
      db?.close();
      db = undefined;
    }
    try {
      ready();
    } catch (again) {
      log?.warn({ err: again }, "the queue could not be recovered yet");
    }
  }

  /** Runs a step in its turn; one that fails leaves nothing behind. */
  async function inTurn<T>(step: () => T | Promise<T>): Promise<T> {
    if (turns.waiting >= waitingMax) {
      throw new Fault("unavailable", { what: "the queue is busy", why: `${waitingMax} calls wait`, retryable: true });
    }
    return turns.take(async () => {
      try {
        return await step();
      } catch (error) {
        letGo(error);
        throw queueFault(folder, error);
      }
    });
  }

  function rollOver(): void {
    const { db, open: full } = ready();
    db.rollOver(full.segment, livedMs());
    crashPoint("queue rolled over");
    // From here on the segment is closed: the recovery of files does the renaming, now or at the next start.
    letGoOfSegment();
    ready();
  }

  function retain(): void {
    const { db } = ready();
    const old = outlived(db.segments(), options, livedMs());
    if (old.length === 0) return;
    removeSegments(folder, old);
    for (const segment of old) db.dropSegment(segment);
    log?.info({ segments: old }, "segments of the queue were deleted by its retention");
  }

  function keepHouse(): void {
    try {
      const { open } = ready();
      const tooOld = open.bytes > 0 && livedMs() - open.openedMs >= options.segmentAgeMaxMs;
      if (open.bytes >= options.segmentBytesMax || tooOld) rollOver();
      retain();
    } catch (error) {
      // What was committed stays committed; the same is tried again at the next tick.
      log?.warn({ err: error }, "the segments of the queue could not be put in order");
      letGo(error);
    }
  }

  const tickMs = Math.min(tickMsMax, Math.max(10, options.segmentAgeMaxMs / 4));
  const tick = () => {
    if (closing !== undefined) return;
    timer = env.after(tickMs, tick);
    inTurn(keepHouse).catch(() => undefined);
  };
  const pause = () => new Promise<void>((resolve) => void env.soon(resolve));

  function guarded<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw queueFault(folder, error);
    }
  }

  let first: Positions;
  try {
    first = ready().db;
  } catch (error) {
    letGoOfSegment();
    (db as Positions | undefined)?.close();
    lock.release();
    throw queueFault(folder, error);
  }
  const livedMs = () => first.livedMs + env.monoMs() - startMs;
  let timer = env.after(tickMs, tick);

  return {
    queueId: first.queueId,
    groupId: first.groupId,
    // What is synced stays: each step is released by its own commit.
    progress: () => ({ generation: 0, committed, released: committed }),
    onProgress: () => {},
    positions: () => guarded(() => ready().db.positions()),
    forwarded: (lane) => guarded(() => ready().db.forwarded(lane)),
    released: (lane) => guarded(() => ready().db.forwarded(lane)),
    releasedPositions: () => guarded(() => ready().db.positions()),
    floors: () => guarded(() => ready().db.floors()),
    commit: (outcomes, positions) =>
      inTurn(async () => {
        const { db, open } = ready();
        refuseWhenNearlyFull(folder);
        const end = await writeChunks(open.fd, open.bytes, encodeLines(outcomes, buffer), pause);
        crashPoint("queue lines written");
        if (end > open.bytes) await syncFile(open.fd);
        crashPoint("queue lines synced");
        db.commit({ segment: open.segment, bytes: end }, positions, livedMs());
        crashPoint("queue committed");
        committed++;
        if (open.bytes === 0) open.openedMs = livedMs();
        open.bytes = end;
        if (end >= options.segmentBytesMax) keepHouse();
      }),
    forget: (floor, lanes) => inTurn(() => ready().db.forget(floor, lanes)),
    close() {
      timer.cancel();
      closing ??= turns.take(() => {
        closed = true;
        letGoOfSegment();
        try {
          db?.saveLived(livedMs());
        } catch (error) {
          log?.warn({ err: error }, "the age of the queue could not be saved; its segments are kept a little longer");
        }
        db?.close();
        lock.release();
      });
      return closing;
    },
  };
}

function refuseWhenNearlyFull(folder: string): void {
  const { bavail, blocks, bsize } = statfsSync(folder);
  const reserveBytes = Math.min(reserveBytesMax, Math.floor(blocks * bsize * reservePart));
  if (bavail * bsize >= reserveBytes) return;
  throw fullFault(folder, `only ${bavail * bsize} bytes of its disk are free, and ${reserveBytes} are kept in reserve`);
}
