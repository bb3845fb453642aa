/**
 * Which files are followed: looks through the patterns for files that are new, gone, or back under another name.
 * Their descriptors stay open, so that a file that is renamed or deleted is still read to its end.
 */
import { type FileHandle, glob, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Logger } from "pino";
import { messageOf } from "../../../shared/errors.ts";
import type { CursorMove } from "../input.ts";
import { type Beginning, beginningOf } from "./begin.ts";
import { headBytesMax, readCursor } from "./cursor.ts";
import { type Place, startOfFile } from "./file.ts";
import { labelOf, lookAt, pathsIn, type Sighting, sightingOf } from "./sight.ts";

/** Most files that are followed at a time; each keeps a descriptor open. */
export const filesMax = 512;
/** Most cursors that are kept; of those without a file the ones longest unused go first. */
const cursorsMax = 1_024;
/** Most files that are looked at beside those that are missing at the start. */
const besideMax = 10_000;
/** What looks like a copy under way is left alone until it stands still this long, or for `settleMaxMs` in all. */
const settleMs = 2_000;
const settleMaxMs = 60_000;

/** Committed cursors by key. */
type Cursors = ReadonlyMap<string, string>;

export interface Followed {
  readonly key: string;
  /** The label: the path under which it was first seen, also after it is renamed. */
  readonly path: string;
  readonly handle: FileHandle;
  place: Place;
  /** True where there may be something to read. */
  stirred: boolean;
  /** True while the patterns find it. */
  listed: boolean;
  seen: string;
  /** Since when it has not changed, monotonic. */
  stillSinceMs: number;
}

export interface Follower {
  /** The followed files; of two that had the same name the older comes first. */
  readonly files: ReadonlyMap<string, Followed>;
  /** Looks for changes; `committed` gives the committed cursors, and is asked only where a file is new. */
  scan(committed: () => Cursors, monoMs: number): Promise<void>;
  /** Starts a file anew that does not hold what it held; `cursor` is where it stood. */
  restart(file: Followed, cursor: string | undefined): void;
  /** Lets a file go. */
  release(file: Followed): Promise<void>;
  /** Cursor moves for the next commit, besides those of what is read; each is handed out once. */
  takeMoves(): CursorMove[];
}

/** A follower; the keys of its cursors begin with `prefix`. */
export function createFollower(patterns: readonly string[], prefix: string, log: Logger): Follower {
  const files = new Map<string, Followed>();
  const settling = new Map<string, { seen: string; sinceMs: number; stillSinceMs: number }>();
  const packed = new Map<string, string>();
  const unreadable = new Set<string>();
  const moves = new Map<string, string | null>();
  let isCrowded = false;
  let isFirstScan = true;

  /** Keeps an old position, for a copy of the file that may turn up. */
  function retire(value: string | undefined, path: string): void {
    log.warn({ path }, "a file was truncated or replaced; it is read from its start");
    const cursor = readCursor(value);
    if (value === undefined || cursor === undefined || cursor.headBytes < headBytesMax) return;
    moves.set(`${prefix}was-${cursor.head}-${cursor.offset}`, value);
  }

  function isSettled({ key, seen }: Sighting, monoMs: number): boolean {
    const before = settling.get(key) ?? { seen, sinceMs: monoMs, stillSinceMs: monoMs };
    const now = before.seen === seen ? before : { seen, sinceMs: before.sinceMs, stillSinceMs: monoMs };
    settling.set(key, now);
    return monoMs - now.stillSinceMs >= settleMs || monoMs - now.sinceMs >= settleMaxMs;
  }

  async function begin(sighting: Sighting, listed: boolean, cursors: Cursors, monoMs: number): Promise<void> {
    const { key, path, seen } = sighting;
    const handle = await open(path, "r");
    let isKept = false;
    try {
      // Another file may have taken the name since the look; the next scan sees to both.
      if (sightingOf(prefix, path, await handle.stat({ bigint: true })).key !== key) return;
      const own = cursors.get(key);
      const pending = [...moves.values()].filter((value) => value !== null);
      const all = [...cursors.values(), ...pending];
      const start = await beginningOf(handle, readCursor(own), all, () => isSettled(sighting, monoMs));
      if (!listed && start.as !== "itself") return;
      report(start, own, path);
      if (start.as === "packed") packed.set(key, path);
      if (start.as === "packed" || start.as === "unsettled") return;
      settling.delete(key);
      const label = "path" in start ? start.path : labelOf(path);
      const { place } = start;
      files.set(key, { key, path: label, handle, place, stirred: true, listed, seen, stillSinceMs: monoMs });
      isKept = true;
    } finally {
      if (!isKept) await handle.close();
    }
  }

  function report(start: Beginning, own: string | undefined, path: string): void {
    if (start.as === "replaced") retire(own, path);
    if (start.as === "packed") log.info({ path }, "a packed file is not read");
    if (start.as === "copy") log.info({ path, copyOf: start.path }, "a copy goes on where the first file stood");
  }

  /**
   * Files that were followed before the start and that the patterns do not find: they may have been renamed meanwhile,
   * and lie beside what has their name now.
   */
  async function straysOf(found: ReadonlyMap<string, Sighting>, cursors: Cursors): Promise<Sighting[]> {
    const missing = [...cursors].filter(([key]) => !found.has(key));
    const folders = new Set(missing.map(([, value]) => dirname(readCursor(value)?.path ?? "")));
    const beside = await lookAt(pathsIn([...folders].filter((folder) => folder.startsWith("/"))), prefix, besideMax);
    return [...beside.values()].filter(({ key }) => !found.has(key) && cursors.has(key));
  }

  function prune(cursors: Cursors): void {
    const excess = cursors.size - cursorsMax;
    if (excess <= 0) return;
    const turns = [...cursors]
      .filter(([key]) => !files.has(key))
      .map(([key, value]) => ({ key, turn: readCursor(value)?.turn ?? 0 }));
    turns.sort((a, b) => a.turn - b.turn);
    for (const { key } of turns.slice(0, excess)) moves.set(key, null);
  }

  /** How a file that the patterns no longer find looks; undefined where its file system has forgotten it. */
  async function sightByHandle({ handle, path }: Followed): Promise<Sighting | undefined> {
    const found = await handle.stat({ bigint: true }).catch(() => undefined);
    return found === undefined ? undefined : sightingOf(prefix, path, found);
  }

  async function noteChanges(found: ReadonlyMap<string, Sighting>, monoMs: number): Promise<void> {
    for (const file of files.values()) {
      const sighting = found.get(file.key) ?? (await sightByHandle(file));
      file.listed = found.has(file.key);
      if (sighting === undefined || sighting.seen === file.seen) continue;
      file.seen = sighting.seen;
      file.stillSinceMs = monoMs;
      file.stirred = true;
    }
  }

  return {
    files,
    async scan(committed, monoMs) {
      const found = await lookAt(glob([...patterns]), prefix, filesMax);
      if (found.size >= filesMax && !isCrowded) {
        log.warn({ filesMax }, "the patterns match too many files; only as many are followed");
        isCrowded = true;
      }
      await noteChanges(found, monoMs);
      for (const [key, path] of packed) if (found.get(key)?.path !== path) packed.delete(key);
      for (const key of settling.keys()) if (!found.has(key)) settling.delete(key);
      // An empty file has nothing to know it by, and may yet become a packed one.
      const fresh = [...found.values()].filter(({ key, isEmpty }) => !isEmpty && !files.has(key) && !packed.has(key));
      if (fresh.length === 0 && !isFirstScan) return;
      const cursors = committed();
      // Known files first, then those changed longest ago: a rotated file is finished before the one that took its name.
      fresh.sort(
        (a, b) => Number(cursors.has(b.key)) - Number(cursors.has(a.key)) || compare(a.changedNs, b.changedNs),
      );
      const strays = isFirstScan ? await straysOf(found, cursors) : [];
      isFirstScan = false;
      for (const sighting of [...strays, ...fresh].slice(0, Math.max(0, filesMax - files.size))) {
        await begin(sighting, found.has(sighting.key), cursors, monoMs).catch((error: unknown) => {
          if (unreadable.has(sighting.path) || unreadable.size >= filesMax) return;
          unreadable.add(sighting.path);
          log.warn({ path: sighting.path, why: messageOf(error) }, "a file cannot be read; it is tried again");
        });
      }
      prune(cursors);
    },
    restart(file, cursor) {
      retire(cursor, file.path);
      file.place = startOfFile;
      file.stirred = true;
    },
    async release(file) {
      files.delete(file.key);
      const found = await file.handle.stat().catch(() => undefined);
      // Without a name it cannot come back, but its inode can, as another file's.
      if (found === undefined || found.nlink === 0) moves.set(file.key, null);
      await file.handle.close();
    },
    takeMoves() {
      const taken = [...moves].map(([key, value]) => ({ key, value }));
      moves.clear();
      return taken;
    },
  };
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
