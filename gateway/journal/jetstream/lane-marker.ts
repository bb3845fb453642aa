/**
 * What a forwarder writes to the replicated journal once the queue has all that it read of a lane: one message that marks
 * it as forwarded and cuts what is nowhere (rule 7), and the purge of all before it. Full epochs go to the archive (rule 9).
 * It alone purges, always below an explicit sequence: without one, what came meanwhile would go along (rule 6).
 */
import { rangesMax } from "../../../shared/limits.ts";
import { beyond, type Ranges, withinCount } from "../../../shared/ranges.ts";
import type { Lane, Queue } from "../../queue/queue.ts";
import { grownForwarded, isFull } from "../lane-notes.ts";
import {
  decodeLaneRecord,
  emptyPage,
  encodeLaneMessage,
  encodeLaneRecord,
  type LanePage,
  type LaneRecord,
  readLaneMessage,
} from "./messages.ts";
import { laneKeyOf } from "./names.ts";
import { noClock } from "./position-reader.ts";
import type { ReadLane } from "./shard-window.ts";
import type { JournalArchive, JournalStream } from "./stream.ts";

/** What became of a lane: its newest message is now `seq`, 0 where it was folded; or it must be looked at again. */
export type Marked = { readonly kind: "marked"; readonly seq: number } | { readonly kind: "unread" | "again" };

export interface LaneMarkerOptions {
  readonly stream: JournalStream;
  readonly archive: JournalArchive;
  readonly queue: Pick<Queue, "released" | "commit">;
}

export function openLaneMarker({ stream, archive, queue }: LaneMarkerOptions) {
  async function fold(subject: string, lane: Lane, version: number, page: LanePage): Promise<Marked> {
    const key = laneKeyOf(lane);
    const entry = await archive.get(key);
    const known: LaneRecord | null = entry === null ? null : decodeLaneRecord(entry.bytes);
    if (known === null || known.version < version) {
      const written = await archive.put(key, entry?.revision ?? 0, encodeLaneRecord({ version, page }));
      if (written.outcome !== "stored") return { kind: "again" };
    }
    await stream.purge(subject, version + 1);
    return { kind: "marked", seq: 0 };
  }

  return {
    /**
     * Marks a lane of which everything that was read is settled.
     * @throws StreamTrouble; Fault `closed` where another forwarder has taken the shard
     */
    async mark({ lane, subject, readSeq, owner }: ReadLane): Promise<Marked> {
      const newest = await stream.newest(subject);
      if (newest === null) return { kind: "marked", seq: 0 };
      if (newest.seq !== readSeq) {
        // More has come, which is read first. What was read is in the queue, whose positions say so.
        await stream.purge(subject, Math.min(readSeq, newest.seq));
        return { kind: newest.seq > readSeq ? "unread" : "again" };
      }
      const message = readLaneMessage(newest.bytes);
      const isUnknown = message === undefined || message.isRepair;
      const base = message?.page ?? (owner === null ? undefined : emptyPage(owner.storeId, owner.run));
      // Whose epoch it is, nobody knows yet: an agent that asks will say it.
      if (base === undefined) return { kind: "unread" };
      // A forwarder whose shard another one has taken must not put an old position back (rule 10).
      if (isUnknown) await queue.commit([], []);
      const known = isUnknown ? [] : base.forwarded;
      const forwarded = withinCount(grownForwarded(known, queue.released(lane)), rangesMax);
      let [seq, page] = [newest.seq, base];
      if (isUnknown || !isMarked(base, forwarded)) {
        page = { ...base, journaled: forwarded, forwarded };
        const next = { prev: seq, isRepair: false, page, record: message?.record ?? null, clock: noClock, blocks: [] };
        const written = await stream.publish(subject, seq, encodeLaneMessage(next));
        if (written.outcome !== "stored") return { kind: "again" };
        seq = written.seq;
      }
      if (isFull(page)) return await fold(subject, lane, seq, page);
      await stream.purge(subject, seq);
      return { kind: "marked", seq };
    },
  };
}

function isMarked({ journaled, forwarded }: LanePage, wanted: Ranges): boolean {
  return [beyond(journaled, wanted), beyond(wanted, forwarded)].every(({ length }) => length === 0);
}
