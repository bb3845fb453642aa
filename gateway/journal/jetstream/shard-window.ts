/**
 * What a forwarder has read of a shard and not settled: entries in the order of the stream, and per lane how far it was
 * read. Pure bookkeeping; what is settled here is marked and purged in the stream later (lane-marker.ts).
 */
import type { Lane } from "../../queue/queue.ts";
import type { JournalEntry } from "../journal.ts";
import type { LaneMessage } from "./messages.ts";
import { laneOf } from "./names.ts";

/** A lane that was met in the stream. */
export interface ReadLane {
  readonly lane: Lane;
  readonly subject: string;
  /** Sequence of the newest message of the lane that was read. */
  readonly readSeq: number;
  /** What the latest readable message said; null while none was. */
  readonly owner: { readonly storeId: string; readonly run: number } | null;
  /** Sequences of messages with entries that are not settled, with how many. */
  readonly waiting: ReadonlyMap<number, number>;
}

interface Mutable extends ReadLane {
  readSeq: number;
  owner: ReadLane["owner"];
  readonly waiting: Map<number, number>;
}

/** Entries of one message at the most: an id is the message's sequence times this, and the place in it. */
const entriesMax = 1024;

const seqOf = (entryId: number): number => Math.floor(entryId / entriesMax);

export function openWindow() {
  let entries: JournalEntry[] = [];
  const lanes = new Map<string, Mutable>();
  /** The same, by the object that stands in their entries. */
  const byLane = new Map<Lane, Mutable>();
  /** Subjects of which everything that was read is settled, in the order in which that happened. */
  const due = new Set<string>();

  function release(ids: ReadonlySet<number>): void {
    const gone = entries.filter(({ id }) => ids.has(id));
    entries = entries.filter(({ id }) => !ids.has(id));
    for (const { id, lane } of gone) {
      const known = byLane.get(lane);
      if (known === undefined) continue;
      const left = (known.waiting.get(seqOf(id)) ?? 1) - 1;
      if (left > 0) known.waiting.set(seqOf(id), left);
      else known.waiting.delete(seqOf(id));
      if (known.waiting.size === 0) due.add(known.subject);
    }
  }

  return {
    lane: (subject: string): ReadLane | undefined => lanes.get(subject),
    due: (): readonly string[] => [...due],
    /**
     * Takes a message in.
     * @param message undefined where it cannot be read: its blocks are missing from then on, and come again
     * @param isForgotten its epoch was forgotten: nothing of it is sent
     */
    add(subject: string, seq: number, message: LaneMessage | undefined, isForgotten = false): void {
      const lane = lanes.get(subject)?.lane ?? laneOf(subject);
      if (lane === undefined) return;
      const known = lanes.get(subject) ?? { lane, subject, readSeq: 0, owner: null, waiting: new Map() };
      lanes.set(subject, known);
      byLane.set(lane, known);
      known.readSeq = seq;
      due.delete(subject);
      if (message !== undefined && !message.isRepair) {
        const { storeId, run } = message.page;
        known.owner = { storeId, run };
        const { clock, blocks } = message;
        const added = isForgotten
          ? []
          : blocks.map((block, at) => ({ id: seq * entriesMax + at, lane, storeId, run, clock, block }));
        entries.push(...added);
        if (added.length > 0) known.waiting.set(seq, added.length);
      }
      if (known.waiting.size === 0) due.add(subject);
    },
    /** The oldest entries behind one of them, within both limits but at least one. */
    read(bytesMax: number, readingsMax: number, afterId = 0): readonly JournalEntry[] {
      const found: JournalEntry[] = [];
      let [size, readings] = [0, 0];
      for (const entry of entries) {
        if (entry.id <= afterId) continue;
        size += entry.block.bytes.length;
        readings += entry.block.count;
        if (found.length > 0 && (size > bytesMax || readings > readingsMax)) break;
        found.push(entry);
      }
      return found;
    },
    /** The queue has them, or they are cut. */
    settle: (ids: readonly number[]): void => release(new Set(ids)),
    /** The lane's newest message is the one with this sequence, and nothing of it is to be done; 0 forgets the lane. */
    marked(subject: string, seq: number): void {
      const known = lanes.get(subject);
      if (known === undefined || known.waiting.size > 0) return;
      due.delete(subject);
      known.readSeq = seq;
      if (seq > 0) return;
      lanes.delete(subject);
      byLane.delete(known.lane);
    },
    /** It is not due before more of it was read. */
    notYet: (subject: string): void => void due.delete(subject),
  };
}
