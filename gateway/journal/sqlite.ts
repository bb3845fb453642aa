/**
 * The embedded journal: one SQLite file, one gateway. Everything that changes goes through the group commit, and every
 * answer waits for it (I3). The file's format is described in FORMAT.md.
 */
import type { Logger } from "pino";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Env } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import { batchBytesMax } from "../../shared/limits.ts";
import type { AskEntry, Batch, Hello } from "../../shared/protocol/messages.ts";
import { beyond } from "../../shared/ranges.ts";
import { isFull, usedBytes } from "../../shared/sqlite.ts";
import { laneKey } from "../queue/lane-key.ts";
import type { Lane } from "../queue/queue.ts";
import type { Entry } from "./entries.ts";
import { findForgettable, forgetLanes } from "./forget.ts";
import { openGroupCommit } from "./group-commit.ts";
import type { Answer, Forgetting, Journal, JournalEntry, Refusal, Report } from "./journal.ts";
import type { LaneRow } from "./lanes.ts";
import { openLedger } from "./ledger.ts";
import { noteAsk, noteHello } from "./notes.ts";
import { openJournalFile } from "./open.ts";
import type { Place } from "./place.ts";
import { busyRetryMs, fullRetryMs, refusal, refusedWhole } from "./refusals.ts";
import type { SeedingQueue } from "./reseed.ts";
import { cutEntry, declare, expired, settleEntries, stateOf, takeBatch } from "./take.ts";

export interface SqliteJournalOptions {
  readonly place: Place;
  readonly env: Env;
  /** Room for the file; beyond it batches are refused as `full` (I6). */
  readonly quotaBytes: number;
  readonly queue: SeedingQueue;
  readonly log: Logger;
  /** The journal may have gone back while it ran: agents that see the new id ask again. */
  readonly onNewId?: (journalId: string) => void;
  /** The journal cannot go on; the process should end and be started again. */
  readonly onFailed?: (fault: Fault) => void;
}

/** How often a full disk is looked at again. */
const roomCheckMs = 5_000;

/**
 * Opens the journal, repairs what an unclean stop left, and decides whether it may have gone back.
 * @throws Fault `locked`, `too-new`, or `unavailable` where the disk fails
 */
export async function openSqliteJournal(options: SqliteJournalOptions): Promise<Journal> {
  const { place, env, quotaBytes, queue, log } = options;
  const file = openJournalFile(options);
  const idAtOpen = file.journalId();
  const listeners = new Set<() => void>();
  const forgetting = new Map<string, Forgetting>();
  let roomLeftBytes = 0;
  let fullUntilMs = Number.NEGATIVE_INFINITY;
  let added = false;
  let renewing: Promise<void> | undefined;

  const commits = openGroupCommit(env, {
    begin() {
      file.tables().begin();
      const { entries, db } = file.tables();
      // What is known of lanes takes room too, and stays. Where nothing waits one batch still passes: nothing would ever
      // make room for it, and the journal of a large fleet would be full for ever.
      const leastBytes = entries.waiting().blocks === 0 ? batchBytesMax : 0;
      roomLeftBytes = Math.max(quotaBytes - usedBytes(db), leastBytes);
      added = false;
    },
    commit() {
      crashPoint("journal before commit");
      file.tables().commit();
      crashPoint("journal committed");
      if (added) for (const listener of listeners) listener();
    },
    rollback: () => file.tables().rollback(),
    repaired(error) {
      if (!isFull(error)) return file.repair(error);
      place.freeRoom();
      fullUntilMs = env.monoMs() + roomCheckMs;
      log.error({ err: error }, "the journal's disk is full: batches are refused until there is room");
      return false;
    },
  });

  function isDiskFull(): boolean {
    if (fullUntilMs === Number.NEGATIVE_INFINITY) return false;
    if (env.monoMs() < fullUntilMs) return true;
    fullUntilMs = place.hasRoom() ? Number.NEGATIVE_INFINITY : env.monoMs() + roomCheckMs;
    return fullUntilMs !== Number.NEGATIVE_INFINITY;
  }

  function mayTake(lane: Lane, sizeBytes: number): Refusal | undefined {
    if (forgetting.has(laneKey(lane))) return refusal("busy", null, busyRetryMs);
    if (isDiskFull() || sizeBytes > roomLeftBytes) return refusal("full", null, fullRetryMs);
    roomLeftBytes -= sizeBytes;
    added = true;
    return undefined;
  }

  /** An answer where the work failed for want of room or time; other failures are the caller's. */
  function refusalFor(error: unknown): Answer {
    if (isFull(error)) return refusedWhole(refusal("full", null, fullRetryMs));
    if (error instanceof Fault && error.code === "busy") return refusedWhole(refusal("busy", null, busyRetryMs));
    throw error;
  }

  /** One renewal for all that ask in the same turn. */
  function renewOnce(): Promise<void> {
    renewing ??= commits
      .runAnyway(() => file.renew())
      .then((renewed) => file.adopt(renewed))
      .finally(() => {
        renewing = undefined;
      });
    return renewing;
  }

  /**
   * An agent has seen a later position. Under an id that was made while this process ran none can have been taken back:
   * then it is wrong, and believing it would cost a walk over all lanes, and a question by every agent, each time (I8).
   */
  async function wentBack(lane: Lane, seen: number): Promise<void> {
    if (file.journalId() !== idAtOpen) return;
    log.error({ ...lane, seen }, "an agent has seen a later position: the journal went back");
    await renewOnce();
  }

  async function ask(agent: string, entry: AskEntry): Promise<Answer> {
    const lane = { agent, stream: entry.stream, epoch: entry.epoch };
    const version = (): number => file.tables().lanes.find(lane)?.version ?? 0;
    if (entry.version > file.reading(version)) {
      await wentBack(lane, entry.version);
    }
    try {
      return await commits.run(0, () => {
        const tooOld = expired(file.tables(), lane, entry.storeId, entry.run);
        return tooOld ?? { state: stateOf(lane, noteAsk(file.tables(), agent, entry)), refusals: [] };
      });
    } catch (error) {
      // Without room the notes wait for the next ASK; the position that is durable can be told.
      if (!isFull(error)) throw error;
      return { state: stateOf(lane, file.tables().lanes.find(lane)), refusals: [] };
    }
  }

  function toEntry({ id, laneId, clock, block }: Entry): JournalEntry {
    const row = file.tables().lanes.byId(laneId);
    if (row === undefined) throw new Fault("damaged", { what: `entry ${id} of the journal belongs to no lane` });
    return { id, lane: row.lane, storeId: row.storeId ?? "", run: row.run, clock, block };
  }

  function reportsOf(row: LaneRow): Report[] {
    const kinds = [
      ["store-lost", beyond(row.lost, row.journaled)],
      ["journal-lost", beyond(row.gone, row.journaled)],
    ] as const;
    return kinds.flatMap(([kind, spans]) => (spans.length === 0 ? [] : { kind, lane: row.lane, spans }));
  }

  const ledger = openLedger({
    tables: () => file.tables(),
    journalId: () => file.journalId(),
    change: (act) => commits.runAnyway(act),
    reading: (read) => file.reading(read),
  });

  return {
    groupId: queue.groupId,
    ledger,
    journalId: () => file.journalId(),
    async meetQueue() {
      const renewed = await commits.runAnyway(() => file.meet());
      if (renewed !== undefined) file.adopt(renewed);
    },
    async hello(agent: string, hello: Hello) {
      await commits
        .run(0, () => noteHello(file.tables(), agent, hello))
        .catch((error: unknown) => {
          // What HELLO tells comes again with the next one.
          if (!isFull(error)) throw error;
        });
    },
    ask: (agent, entry) => ask(agent, entry).catch(refusalFor),
    take(agent: string, batch: Batch) {
      const sizeBytes = batch.blocks.reduce((sum, block) => sum + block.bytes.length, 0);
      return commits.run(sizeBytes, () => takeBatch(file.tables(), agent, batch, mayTake)).catch(refusalFor);
    },
    read: (bytesMax, readingsMax, afterId) =>
      file.reading(() => file.tables().entries.oldest(bytesMax, readingsMax, afterId).map(toEntry)),
    onAdded: (listener) => void listeners.add(listener),
    settle: (entryIds, positions) => commits.runAnyway(() => settleEntries(file.tables(), entryIds, positions)),
    async cut(entry) {
      log.error(
        { ...entry.lane, first: entry.block.first, count: entry.block.count },
        "a journaled block is damaged: cut",
      );
      await commits.runAnyway(() => cutEntry(file.tables(), entry, queue.released(entry.lane)));
    },
    forgettable() {
      if (forgetting.size === 0) {
        for (const found of findForgettable(file.tables(), queue)) {
          for (const lane of found.lanes) forgetting.set(laneKey(lane), found);
        }
      }
      return [...new Set(forgetting.values())];
    },
    async forget(forgotten) {
      await commits.runAnyway(() => forgetLanes(file.tables(), forgotten));
      for (const lane of forgotten.lanes) forgetting.delete(laneKey(lane));
    },
    declareLost(lane, spans, reason) {
      return commits.runAnyway(() => {
        added = true;
        return declare(file.tables(), lane, spans, reason);
      });
    },
    reports: () => file.tables().lanes.reported().flatMap(reportsOf),
    lanes() {
      const { lanes, epochs } = file.tables();
      return lanes.ids().flatMap((id) => {
        const row = lanes.byId(id);
        if (row === undefined) return [];
        const record = epochs.find(row.lane.agent, row.lane.epoch);
        return { ...stateOf(row.lane, row), record, newest: row.newest };
      });
    },
    usage() {
      const { entries, db } = file.tables();
      return { ...entries.waiting(), usedBytes: usedBytes(db), quotaBytes, isDiskFull: isDiskFull() };
    },
    async close() {
      commits.close();
      file.close();
    },
  };
}
