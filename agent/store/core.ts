/**
 * What the parts of the store share: the tables, the lanes in memory and the one way to change both together. Memory is
 * a cache of the file: when a transaction fails, it is read again.
 */

import type { LossReason } from "../../shared/block/loss.ts";
import type { Env } from "../../shared/env.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import { type Db, isIoError } from "../../shared/sqlite.ts";
import { type BlockRow, type BlockTable, openBlocks } from "./blocks.ts";
import { type EdgeTable, openEdges } from "./edges.ts";
import { type EpochRow, type EpochTable, openEpochs } from "./epochs.ts";
import { type Lane, type LaneTable, openLanes } from "./lanes.ts";
import { openSegments, type Segments } from "./segments.ts";

/** What to do when a stream has no room: refuse new readings, or let its oldest go with a loss record. */
export type FullPolicy = "reject" | "drop-oldest";

export interface StreamOptions {
  readonly name: string;
  /** 0 is sent first. */
  readonly priority: number;
  readonly policy: FullPolicy;
  /** Bytes of waiting readings this stream may hold; undefined for no bound of its own. */
  readonly quotaBytes?: number;
}

/** Live epochs whose lanes are in memory at once; the rest are loaded as these settle (I8). */
export const loadedEpochsMax = 256;

export interface LiveEpoch {
  readonly row: EpochRow;
  /** By stream id. */
  readonly lanes: Map<number, Lane>;
}

/** What a process knows that its file does not: a process resumed from a snapshot of its memory goes on with it. */
export interface ProcessMemory {
  readonly openRun: number | null;
  readonly ownRuns: ReadonlySet<number>;
  /** By lane, the first seq of the latest block that was sent. */
  readonly sentThrough: ReadonlyMap<string, number>;
}

export interface Core {
  readonly db: Db;
  readonly env: Env;
  readonly streams: readonly StreamOptions[];
  readonly storeId: string;
  readonly blocks: BlockTable;
  readonly edges: EdgeTable;
  readonly lanes: LaneTable;
  readonly epochs: EpochTable;
  readonly segments: Segments;
  /** The live epochs in memory, by run. */
  readonly live: Map<number, LiveEpoch>;
  /** Run of the open epoch; null until the first append of this process. */
  openRun: number | null;
  /** The runs that this process opened: nobody else writes under their names, even after another epoch took over. */
  ownRuns: ReadonlySet<number>;
  /** Highest run that a gateway said it has forgotten, of this store: a new epoch must lie above it. */
  floor: number;
  /** Readings that a position first showed as journaled, since the start: for status only. */
  readingsDelivered: number;
  /**
   * Runs `change` in one transaction with fsync; where it throws, nothing changed, in the file or in memory.
   * @throws Fault `unavailable` after the device failed once, until the store is opened anew
   */
  transact<T>(change: () => T): T;
  streamId(name: string): number;
  streamName(id: number): string;
  meta(key: string): string | undefined;
  setMeta(key: string, value: string | null): void;
  countLoss(reason: LossReason, readings: number): void;
  losses(): ReadonlyMap<string, number>;
  /** Remembers that a block was sent by this process; only in memory, since a restart closes the epoch. */
  noteSent(row: BlockRow): void;
  /** True where this process sent the block, or a later one of its lane. */
  wasSent(row: BlockRow): boolean;
  /** Copies what is known of a damaged block to a side file and reports it (I10). */
  quarantine(lane: Lane, row: BlockRow, bytes: Uint8Array | undefined): void;
  memory(): ProcessMemory;
  /** Reads the lanes of live epochs into memory up to the limit. */
  loadLanes(): void;
  /**
   * Loads the live epochs behind those in memory in their place; false where there are none. Epochs may wait for months
   * for an operator to declare something lost, and must not keep later ones from being sent.
   */
  loadLater(): boolean;
  /** Loads the oldest live epochs again. */
  loadOldest(): void;
}

const nothing: ProcessMemory = { openRun: null, ownRuns: new Set(), sentThrough: new Map() };

export function openCore(
  db: Db,
  env: Env,
  streams: readonly StreamOptions[],
  quarantine: Core["quarantine"],
  resumed: ProcessMemory = nothing,
): Core {
  const blocks = openBlocks(db);
  const lanes = openLanes(db, blocks);
  const epochs = openEpochs(db);
  const segments = openSegments(db, env);
  const live = new Map<number, LiveEpoch>();
  const ids = new Map<string, number>();
  const names = new Map<number, string>();
  // Kept apart from the lanes: reading these again after a failed transaction must not forget what was sent.
  /** The epochs in memory are the first live ones behind this run, and the open one. */
  let loadedAfter = 0;
  const sentThrough = new Map(resumed.sentThrough);
  const getMeta = db.prepare("SELECT value FROM meta WHERE key=?").pluck();
  const putMeta = db.prepare("INSERT OR REPLACE INTO meta(key, value) VALUES (?,?)");
  const dropMeta = db.prepare("DELETE FROM meta WHERE key=?");
  const allStreams = db.prepare("SELECT id, name FROM stream");
  const addStream = db.prepare("INSERT INTO stream(name) VALUES (?)");
  const addLoss = db.prepare(
    `INSERT INTO tally(reason, readings) VALUES (?,?)
     ON CONFLICT(reason) DO UPDATE SET readings = readings + excluded.readings`,
  );
  const allLosses = db.prepare("SELECT reason, readings FROM tally").raw();
  const totalChanges = db.prepare("SELECT total_changes()").pluck();
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const rollback = db.prepare("ROLLBACK");
  let ioFailure: unknown;

  const core: Core = {
    db,
    env,
    streams,
    storeId: getMeta.get("store_id") as string,
    blocks,
    edges: openEdges(db),
    lanes,
    epochs,
    segments,
    live,
    openRun: resumed.openRun,
    ownRuns: resumed.ownRuns,
    floor: 0,
    readingsDelivered: 0,
    transact(change) {
      if (ioFailure !== undefined) throw needsReopening(ioFailure);
      const { openRun, ownRuns } = core;
      const changesBefore = totalChanges.get();
      begin.run();
      try {
        const result = change();
        commit.run();
        return result;
      } catch (error) {
        // SQLite rolls back by itself on some errors (FULL, IOERR); then there is nothing left to roll back.
        if (db.inTransaction) rollback.run();
        if (isIoError(error)) ioFailure = error;
        core.openRun = openRun;
        core.ownRuns = ownRuns;
        // A full store refuses request after request, each before it changes anything: that must not cost a reading of
        // all lanes (I8).
        if (!(error instanceof Fault) || totalChanges.get() !== changesBefore) reload();
        throw error;
      }
    },
    streamId(name) {
      const known = ids.get(name);
      if (known !== undefined) return known;
      const id = Number(addStream.run(name).lastInsertRowid);
      remember(id, name);
      return id;
    },
    streamName: (id) => names.get(id) as string,
    meta: (key) => {
      const value = getMeta.get(key);
      return value === undefined ? undefined : String(value);
    },
    setMeta(key, value) {
      if (value === null) dropMeta.run(key);
      else putMeta.run(key, value);
    },
    countLoss: (reason, readings) => void addLoss.run(reason, readings),
    losses: () => new Map(allLosses.all() as [string, number][]),
    noteSent(row) {
      const lane = `${row.run}/${row.stream}`;
      sentThrough.set(lane, Math.max(sentThrough.get(lane) ?? 0, row.first));
    },
    wasSent: (row) => row.first <= (sentThrough.get(`${row.run}/${row.stream}`) ?? 0),
    quarantine,
    memory: () => ({ openRun: core.openRun, ownRuns: core.ownRuns, sentThrough: new Map(sentThrough) }),
    loadLanes() {
      // The open epoch is always in memory and lies above those that wait to be loaded: the oldest come first.
      for (const row of epochs.live(loadedAfter, loadedEpochsMax)) if (!live.has(row.run)) load(row, undefined);
    },
    loadLater() {
      const loaded = [...live.keys()].filter((run) => run !== core.openRun);
      const next = epochs.live(Math.max(0, ...loaded), 1)[0];
      if (next === undefined || next.run === core.openRun) return false;
      loadedAfter = Math.max(...loaded);
      for (const run of loaded) live.delete(run);
      core.loadLanes();
      return true;
    },
    loadOldest() {
      if (loadedAfter === 0) return;
      loadedAfter = 0;
      for (const run of [...live.keys()]) if (run !== core.openRun) live.delete(run);
      core.loadLanes();
    },
  };

  function remember(id: number, name: string): void {
    ids.set(name, id);
    names.set(id, name);
  }

  function load(row: EpochRow, before: LiveEpoch | undefined): void {
    const loaded = new Map<number, Lane>();
    for (const id of lanes.streamsOf(row.run)) {
      const lane = lanes.load(row.run, id, core.streamName(id), row.record.epoch);
      const known = before?.lanes.get(id);
      // Callers hold lanes while a transaction fails and is tried again: a lane read anew stays the same object, or the
      // second try would count on top of what the first one left and write that to the file.
      loaded.set(id, known === undefined ? lane : Object.assign(known, lane));
    }
    live.set(row.run, { row, lanes: loaded });
  }

  function reload(): void {
    ids.clear();
    names.clear();
    for (const { id, name } of allStreams.all() as { id: number; name: string }[]) remember(id, name);
    const before = new Map(live);
    live.clear();
    segments.reset();
    core.floor = Number(core.meta("floor") ?? 0);
    for (const row of epochs.live(loadedAfter, loadedEpochsMax)) load(row, before.get(row.run));
    const open = core.openRun === null ? undefined : epochs.get(core.openRun);
    if (open === undefined) core.openRun = null;
    else if (!live.has(open.run)) load(open, before.get(open.run));
  }

  reload();
  return core;
}

/**
 * A commit whose fsync failed leaves whole frames in the log, its commit included. A smaller one that followed would lie
 * before the rest of them, and whoever reads the log after that takes them for the newest (I1).
 */
function needsReopening(cause: unknown): Fault {
  return new Fault("unavailable", {
    what: "the store takes nothing until it is opened anew",
    why: `its disk failed: ${messageOf(cause)}`,
    retryable: true,
    cause,
  });
}

/** The lanes in memory, oldest epoch first. */
export function* lanesOf(core: Core): Iterable<Lane> {
  for (const run of [...core.live.keys()].sort((a, b) => a - b)) {
    yield* (core.live.get(run) as LiveEpoch).lanes.values();
  }
}

export function isOpen(core: Core, lane: Lane): boolean {
  return lane.run === core.openRun;
}
