/**
 * What the group knows of a lane: its newest message, and, where that proves nothing, the archive. Reads may be answered
 * by an outdated leader, so what an archive read decides is confirmed by writing the same again (I4).
 */
import type { Logger } from "pino";
import { rangesMax } from "../../../shared/limits.ts";
import type { EpochRecord } from "../../../shared/protocol/messages.ts";
import { beyond, union, withinCount } from "../../../shared/ranges.ts";
import type { Lane } from "../../queue/queue.ts";
import {
  decodeLaneRecord,
  decodeStoreRecord,
  emptyPage,
  encodeLaneMessage,
  encodeLaneRecord,
  encodeStoreRecord,
  type LaneMessage,
  type LanePage,
  type LaneRecord,
  readLaneMessage,
} from "./messages.ts";
import { laneKeyOf, storeKeyOf, subjectOf } from "./names.ts";
import type { ArchiveEntry, JournalArchive, JournalStream, StoredMessage, Written } from "./stream.ts";

/** What a gateway knows of a lane: a position that stands in a message or in the archive, nothing else (I3). */
export interface KnownLane {
  readonly kind: "known";
  /** Sequence of its newest message, which the next one must follow; 0 where there is none. */
  readonly seq: number;
  /** Version of the position: that sequence, or what the archive kept; 0 where nothing is known. */
  readonly version: number;
  readonly page: LanePage;
  readonly record: EpochRecord | null;
}

export type Found =
  | KnownLane
  /** It was forgotten: it lies at or below the floor of its store. */
  | { readonly kind: "expired"; readonly floor: number }
  /** Nothing can be told of it now: it is being repaired, or somebody changed it meanwhile. */
  | { readonly kind: "unsettled" };

/** Whose epoch a lane is, as its agent says. */
export interface Owner {
  readonly storeId: string;
  readonly run: number;
}

const unsettled: Found = { kind: "unsettled" };
/** Of a message that changes the position alone. */
export const noClock = { segment: 0, offsetUs: 0, quality: "unsynced" } as const;

export interface PositionReader {
  /** @throws StreamTrouble; Fault `too-new` */
  find(lane: Lane, owner: Owner): Promise<Found>;
  /** Marks a position as unknown, behind `known`: only the forwarder may put another one there (rule 10). */
  repair(lane: Lane, owner: Owner, behind: number): Promise<Written>;
}

export function openPositionReader(
  stream: JournalStream,
  archive: JournalArchive,
  shards: number,
  log: Logger,
): PositionReader {
  function read(lane: Lane, newest: StoredMessage): LaneMessage | undefined {
    const message = readLaneMessage(newest.bytes);
    if (message === undefined) log.error({ ...lane, seq: newest.seq }, "a lane's newest message is damaged: repairing");
    return message;
  }

  /** True where the key still is what was read: only then was the answer the newest one. */
  async function isConfirmed(key: string, entry: ArchiveEntry | null, fresh: Uint8Array): Promise<boolean> {
    const written = await archive.put(key, entry?.revision ?? 0, entry?.bytes ?? fresh);
    return written.outcome === "stored";
  }

  function repair(lane: Lane, { storeId, run }: Owner, behind: number): Promise<Written> {
    const page = emptyPage(storeId, run);
    const message = { prev: behind, isRepair: true, page, record: null, clock: noClock, blocks: [] };
    return stream.publish(subjectOf(lane, shards), behind, encodeLaneMessage(message));
  }

  /** What the archive has, confirmed; undefined where somebody changed it meanwhile. */
  async function archived(
    lane: Lane,
    { storeId, run }: Owner,
  ): Promise<{ readonly record: LaneRecord | null; readonly floor: number } | undefined> {
    const [laneKey, storeKey] = [laneKeyOf(lane), storeKeyOf(lane.agent, storeId)];
    const [own, store] = await Promise.all([archive.get(laneKey), archive.get(storeKey)]);
    const isNewest = await Promise.all([
      isConfirmed(laneKey, own, encodeLaneRecord({ version: 0, page: emptyPage(storeId, run) })),
      isConfirmed(storeKey, store, encodeStoreRecord({ floor: 0, lowestUnsettledRun: 0 })),
    ]);
    if (isNewest.includes(false)) return undefined;
    const record = own === null ? null : decodeLaneRecord(own.bytes);
    return {
      record: record?.version === 0 ? null : record,
      floor: store === null ? 0 : decodeStoreRecord(store.bytes).floor,
    };
  }

  /** A first message that came late brought a folded lane to life: it must not tell less than the archive. */
  async function united(lane: Lane, seq: number, message: LaneMessage, past: LanePage): Promise<Found> {
    const { page } = message;
    const lacks = [beyond(past.journaled, page.journaled), beyond(past.forwarded, page.forwarded)];
    if (lacks.every(({ length }) => length === 0)) return knownBy(seq, message);
    const whole = {
      ...page,
      journaled: withinCount(union(past.journaled, page.journaled), rangesMax),
      forwarded: withinCount(union(past.forwarded, page.forwarded), rangesMax),
    };
    const next = { ...message, prev: seq, page: whole, clock: noClock, blocks: [] };
    const written = await stream.publish(subjectOf(lane, shards), seq, encodeLaneMessage(next));
    return written.outcome === "stored" ? knownBy(written.seq, next) : unsettled;
  }

  return {
    repair,
    async find(lane, owner) {
      const newest = await stream.newest(subjectOf(lane, shards));
      const message = newest === null ? null : read(lane, newest);
      // Whatever follows another message was decided by compare-and-set; a first one proves nothing (rule 4).
      if (newest !== null && message && message.prev > 0 && !message.isRepair) return knownBy(newest.seq, message);
      const past = await archived(lane, owner);
      if (past === undefined) return unsettled;
      if (newest !== null && message === undefined) await repair(lane, owner, newest.seq);
      if (message === undefined || message?.isRepair) return unsettled;
      if (past.record !== null) {
        if (newest === null || message === null) return { ...past.record, kind: "known", seq: 0, record: null };
        return await united(lane, newest.seq, message, past.record.page);
      }
      if (owner.run <= past.floor) return { kind: "expired", floor: past.floor };
      if (newest === null || message === null) {
        const page = emptyPage(owner.storeId, owner.run);
        return { kind: "known", seq: 0, version: 0, page, record: null };
      }
      return knownBy(newest.seq, message);
    },
  };
}

function knownBy(seq: number, { page, record }: LaneMessage): KnownLane {
  return { kind: "known", seq, version: seq, page, record };
}
