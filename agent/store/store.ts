/**
 * The store: what the agent has acknowledged, until the queue has it. It works synchronously: a commit returns after its
 * fsync. Intake appends, uplink reads and settles; both see only this contract.
 */
import { type Block, lastOf } from "../../shared/block/block.ts";
import type { Columns } from "../../shared/block/columns.ts";
import { type EncodedBlock, encodeBlocks } from "../../shared/block/encode.ts";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Env } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import type { Clock, EpochRecord, Position } from "../../shared/protocol/messages.ts";
import { checkpointAll, type Db, fileBytes, isFull, usedBytes } from "../../shared/sqlite.ts";
import type { CursorMove } from "../inputs/input.ts";
import { giveUp } from "./again.ts";
import { appendBlocks } from "./append.ts";
import { type BlockRow, pageRows, pending, rowBytes, toBlock } from "./blocks.ts";
import { lanesOf, openCore, type ProcessMemory, type StreamOptions } from "./core.ts";
import { openCursors } from "./cursors.ts";
import { readBytes, removeRows } from "./damage.ts";
import { dropOldest, makeRoom } from "./evict.ts";
import { refuseHoles } from "./holes.ts";
import type { Lane } from "./lanes.ts";
import { createMerger } from "./merge.ts";
import type { Ballast } from "./room.ts";
import { type Applied, applyPosition, settleAll } from "./settle.ts";
import { type StoreUsage, usageOf } from "./usage.ts";

/** Readings for one stream, as one transaction sees them. */
export interface StreamPart {
  readonly stream: string;
  readonly columns: Columns;
}

export interface StoreOptions {
  readonly streams: readonly StreamOptions[];
  readonly quotaBytes: number;
  /** Told when a block is damaged: where its bytes went is the owner's business (I10). */
  quarantine(lane: Lane, row: BlockRow, bytes: Uint8Array | undefined): void;
  /** Absent in the simulator, whose disks have no room to give up. */
  readonly ballast?: Ballast;
  /** Only in the simulator: the memory of a process that a VM snapshot resumes a second time. */
  readonly resumed?: ProcessMemory;
}

export interface Store {
  readonly storeId: string;
  /** Commits readings and cursors in one transaction with fsync (I1). @throws Fault `full` (retryable) or `bad-input` */
  append(parts: readonly StreamPart[], cursors: readonly CursorMove[]): void;
  cursor(key: string): string | undefined;
  cursors(prefix: string): Map<string, string>;
  /** The record of the open epoch, null until the first append of this process. */
  openRecord(): EpochRecord | null;
  record(lane: Lane): EpochRecord;
  lowestUnsettledRun(): number;
  /** The lanes of the unsettled epochs in memory, oldest epoch first. */
  lanes(): Lane[];
  /** Puts later unsettled epochs in the place of those in memory; false where there are none. */
  loadLater(): boolean;
  /** Goes back to the oldest ones. */
  loadOldest(): void;
  isOpen(lane: Lane): boolean;
  lane(stream: string, epoch: string): Lane | undefined;
  /** A page of block rows of a lane that hold `first` or later seqs, in order, at most `limit`. */
  page(lane: Lane, first: number, limit?: number): BlockRow[];
  /** The block of a row; undefined where it was damaged, which has been dealt with then. */
  block(lane: Lane, row: BlockRow): Block | undefined;
  noteSent(row: BlockRow): void;
  clock(segment: number): Clock;
  learnTime(gatewayUs: number): void;
  group(): string | null;
  setGroup(groupId: string | null): void;
  apply(lane: Lane, position: Position): Applied;
  /** NACK `conflict`: somebody else writes under this name. */
  fork(lane: Lane): void;
  /** NACK `expired`. */
  expire(lane: Lane, floor: number): void;
  /** Appends again all that was not reported forwarded, for a group that is gone. */
  abandonGroup(): void;
  /** Merges small blocks for a bounded time. Returns true where there may be more to do. */
  maintain(): boolean;
  /** Tells which blocks are in flight, so that room is never made of these. */
  setInFlight(inFlight: (row: BlockRow) => boolean): void;
  /** Readings that a position first showed as journaled, since the start. */
  readingsDelivered(): number;
  usage(): StoreUsage;
  /** What a snapshot of this process would hold beside the file. */
  memory(): ProcessMemory;
  close(): void;
}

/** Room kept free for what frees room: its own rows, edges and loss records. */
const reserveBytes = 256 * 1024;
/** What is freed at once, so that not every append has to. */
const evictStepBytes = 128 * 1024;

/** Opens the store on a database that openFile (or the simulator) has prepared. */
export function openStore(db: Db, env: Env, options: StoreOptions): Store {
  const core = openCore(db, env, options.streams, options.quarantine, options.resumed);
  const cursors = openCursors(db);
  core.transact(() => settleAll(core));
  let inFlight: (row: BlockRow) => boolean = () => false;

  const streamOptions = (name: string): StreamOptions => {
    const found = options.streams.find((stream) => stream.name === name);
    if (found !== undefined) return found;
    throw new Fault("bad-input", {
      what: `there is no stream "${name}"`,
      why: `this agent has ${options.streams.map((stream) => stream.name).join(", ")}`,
      remedy: "use one of these or add it to the configuration",
    });
  };

  /**
   * What the file had grown to when the disk was full. Until the ballast lies again it grows no further: it would grow
   * into the room that the ballast left, and then not even deleting could go through any more.
   */
  let fullAtBytes = Number.POSITIVE_INFINITY;

  /** Finds room on a full disk: the ballast's, and that of the log, which need not grow where it begins anew. */
  function makeWay(): void {
    options.ballast?.drop();
    try {
      checkpointAll(db);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  /** A change that frees or only notes something must go through on a full disk (I10). */
  function change<T>(action: () => T): T {
    try {
      return core.transact(action);
    } catch (error) {
      if (!isFull(error)) throw error;
      makeWay();
      try {
        return core.transact(action);
      } finally {
        options.ballast?.restore();
      }
    }
  }

  function reserve(stream: StreamOptions, encoded: readonly EncodedBlock[]): void {
    const needed = encoded.reduce((sum, block) => sum + block.bytes.length + rowBytes, 0);
    if (stream.quotaBytes !== undefined) reserveOfStream(stream, stream.quotaBytes, needed);
    if (Number.isFinite(fullAtBytes) && options.ballast?.restore() !== false) fullAtBytes = Number.POSITIVE_INFINITY;
    const room = Math.min(options.quotaBytes, fullAtBytes) - reserveBytes - usedBytes(db);
    if (needed <= room) return;
    const freed = makeRoom(core, Math.max(needed - room, evictStepBytes), stream, inFlight);
    if (freed + room < needed) throw full(stream.name);
  }

  function reserveOfStream(stream: StreamOptions, quotaBytes: number, needed: number): void {
    const lanes = [...lanesOf(core)].filter((lane) => lane.name === stream.name);
    const held = lanes.reduce(
      (sum, { tallies }) => sum + tallies[pending].bytes + rowBytes * tallies[pending].blocks,
      0,
    );
    let excess = held + needed - quotaBytes;
    if (excess <= 0) return;
    if (stream.policy === "reject") throw full(stream.name);
    for (const lane of lanes) if (excess > 0) excess -= dropOldest(core, lane, excess, inFlight);
  }

  function appendAll(
    encoded: readonly { stream: StreamOptions; blocks: EncodedBlock[] }[],
    moves: readonly CursorMove[],
  ): void {
    core.transact(() => {
      for (const { stream, blocks } of encoded) {
        // No readings must not open an epoch, or a store that only moves cursors would grow by one at every start.
        if (blocks.length === 0) continue;
        reserve(stream, blocks);
        appendBlocks(core, stream.name, blocks, core.segments.current());
      }
      cursors.move(moves);
      crashPoint("append before commit");
    });
    crashPoint("append committed");
  }

  return {
    storeId: core.storeId,
    append(parts, moves) {
      const encoded = parts.map((part) => ({ stream: streamOptions(part.stream), blocks: encodeBlocks(part.columns) }));
      try {
        appendAll(encoded, moves);
      } catch (error) {
        if (!isFull(error)) throw error;
        // The disk is full below the quota: way is made for the transaction that frees blocks.
        makeWay();
        fullAtBytes = fileBytes(db);
        const stream = encoded[0]?.stream ?? (options.streams[0] as StreamOptions);
        const needed = encoded.flatMap((part) => part.blocks).reduce((sum, block) => sum + block.bytes.length, 0);
        try {
          core.transact(() => makeRoom(core, needed + evictStepBytes, stream, inFlight));
          appendAll(encoded, moves);
        } catch (again) {
          throw isFull(again) ? full(stream.name, again) : again;
        } finally {
          options.ballast?.restore();
        }
      }
    },
    cursor: cursors.get,
    cursors: cursors.all,
    openRecord: () => (core.openRun === null ? null : (core.live.get(core.openRun)?.row.record ?? null)),
    record: (lane) => core.live.get(lane.run)?.row.record as EpochRecord,
    lowestUnsettledRun() {
      return core.epochs.live(0, 1)[0]?.run ?? (core.epochs.latest()?.run ?? 0) + 1;
    },
    loadLater: core.loadLater,
    loadOldest: core.loadOldest,
    lanes: () => [...lanesOf(core)],
    isOpen: (lane) => lane.run === core.openRun,
    lane(stream, epoch) {
      for (const lane of lanesOf(core)) if (lane.name === stream && lane.epoch === epoch) return lane;
      return undefined;
    },
    page(lane, first, limit = pageRows) {
      const { run, stream } = lane;
      const rows = core.blocks.page(run, stream, core.blocks.holding(run, stream, first)?.first ?? first, limit);
      const tail = rows[rows.length - 1];
      // The rows of an epoch that was given up have gone to another one.
      if (core.live.has(run)) {
        refuseHoles(core, lane, rows, first, tail === undefined || rows.length < limit ? lane.last : lastOf(tail));
      }
      return rows;
    },
    block(lane, row) {
      const bytes = readBytes(core, lane, row);
      if (bytes !== undefined) return toBlock(row, bytes);
      change(() => removeRows(core, lane, [row], "corrupt", core.wasSent(row)));
      return undefined;
    },
    noteSent: core.noteSent,
    clock: core.segments.clock,
    learnTime: (gatewayUs) => change(() => core.segments.learn(gatewayUs)),
    group: () => core.meta("group_id") ?? null,
    setGroup: (groupId) => change(() => core.setMeta("group_id", groupId)),
    apply: (lane, position) => applyPosition(core, lane, position, change),
    fork: (lane) => change(() => giveUp(core, [lane.run], "verified")),
    expire(lane, floor) {
      change(() => {
        core.floor = Math.max(core.floor, floor);
        core.setMeta("floor", String(core.floor));
        giveUp(core, [lane.run], "forwarded");
      });
    },
    abandonGroup() {
      change(() => {
        const end = core.epochs.latest()?.run ?? 0;
        for (;;) {
          const runs = [...core.live.keys()].filter((run) => run <= end).sort((a, b) => a - b);
          if (runs.length === 0) break;
          giveUp(core, runs, "forwarded");
        }
        core.setMeta("group_id", null);
      });
    },
    maintain: createMerger(core),
    setInFlight(test) {
      inFlight = test;
    },
    readingsDelivered: () => core.readingsDelivered,
    usage: () => usageOf(core, options.quotaBytes),
    memory: core.memory,
    close: () => db.close(),
  };
}

function full(stream: string, cause?: unknown): Fault {
  return new Fault("full", {
    what: `there is no room for stream "${stream}"`,
    why: cause === undefined ? "its readings wait for the gateway and none may be dropped" : "the disk is full",
    remedy: "send again later; if the gateway is reachable, room comes back by itself",
    retryable: true,
    cause,
  });
}
