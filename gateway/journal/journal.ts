/**
 * The journal contract: the gateway's durable log between ingress and forwarder. It takes each seq once, whatever is
 * resent, reordered or sent through another gateway of the group (I4), reports only what is durable (I3), and never
 * drops (I6). One contract suite runs against every engine and the fake.
 */
import type { Block } from "../../shared/block/block.ts";
import type { AskEntry, Batch, Clock, EpochRecord, Hello, NackReason } from "../../shared/protocol/messages.ts";
import type { Ranges, Span } from "../../shared/ranges.ts";
import type { Floor, Lane, LanePosition } from "../queue/queue.ts";
import type { Ledger } from "../queue/standby/ledger.ts";

/** What a journal knows of a lane; version 0 where it knows nothing. */
export interface LaneState {
  readonly lane: Lane;
  readonly version: number;
  readonly journaled: Ranges;
  readonly forwarded: Ranges;
}

/** Why one block, or all of a batch (first null), was not taken. */
export interface Refusal {
  readonly reason: NackReason;
  readonly first: number | null;
  readonly retryAfterMs: number;
  readonly floor: number | null;
}

/** The answer to a batch or an ASK entry: the position after it, unless it was refused as a whole. */
export interface Answer {
  readonly state: LaneState | null;
  readonly refusals: readonly Refusal[];
}

/** A block on its way to the queue. */
export interface JournalEntry {
  /** Grows in the order in which blocks were taken. */
  readonly id: number;
  readonly lane: Lane;
  readonly storeId: string;
  readonly run: number;
  readonly clock: Clock;
  readonly block: Block;
}

/** Something an operator should know: seqs that no agent holds any more, or a store that came back with less. */
export interface Report {
  readonly kind: "store-lost" | "journal-lost";
  readonly lane: Lane;
  /** The seqs in question; what is journaled by now is no longer part of it. */
  readonly spans: readonly Span[];
}

/** Lanes that are full and forwarded, and the floor of their store that takes their place. */
export interface Forgetting {
  readonly floor: Floor;
  readonly lanes: readonly Lane[];
}

export interface JournalUsage {
  /** Blocks, readings and bytes that wait for the forwarder. */
  readonly blocks: number;
  readonly readings: number;
  readonly bytes: number;
  /** What the journal takes of its quota: blocks, and what is known of lanes. */
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** True while batches are refused because the disk has no room. */
  readonly isDiskFull: boolean;
}

export interface Journal {
  readonly groupId: string;
  /** What is noted of the two clusters of a queue with a standby. */
  readonly ledger: Ledger;
  /** Another one means that the journal may have gone back: agents then ask for everything again. */
  journalId(): string;
  /** Compares itself with a queue that came late, as it does when it is opened; where they are apart it takes a new id. */
  meetQueue(): Promise<void>;
  /** Notes what HELLO tells: the open epoch's record, its predecessor's last seqs, what may be forgotten. */
  hello(agent: string, hello: Hello): Promise<void>;
  /** Answers one ASK entry, durably noting its newest seq and what is gone. */
  ask(agent: string, entry: AskEntry): Promise<Answer>;
  /** Takes what is new of a batch; resolves after the fsync. Blocks have been checked by ingress (CRC, length, codec). */
  take(agent: string, batch: Batch): Promise<Answer>;
  /**
   * The oldest entries behind the entry `afterId` (0 by default), in order, within both limits but at least one where any is there.
   * Reading deletes nothing: what `settle` or `cut` has not taken away is read again from 0.
   */
  read(bytesMax: number, readingsMax: number, afterId?: number): readonly JournalEntry[];
  /** Calls `listener` whenever entries were added. */
  onAdded(listener: () => void): void;
  /** Takes over positions that the queue has committed, and deletes the entries that they settle. */
  settle(entryIds: readonly number[], positions: readonly LanePosition[]): Promise<void>;
  /** Cuts a damaged entry out of its position, so that the agent sends it again. */
  cut(entry: JournalEntry): Promise<void>;
  /**
   * What can be forgotten now: per store a floor and its lanes; empty most of the time. From here on the journal takes
   * nothing new of these lanes (it answers `busy`) until `forget` was called: what came in between would stand in the
   * queue without the positions that keep the rest from coming twice.
   */
  forgettable(): readonly Forgetting[];
  /** Forgets these lanes; the caller has written the floor to the queue before, in the step that deletes the positions. */
  forget(forgetting: Forgetting): Promise<void>;
  /** Fills open seqs of a lane with a loss record: an operator's act. Returns how many seqs it filled. */
  declareLost(lane: Lane, spans: readonly Span[], reason: "store-lost" | "journal-lost"): Promise<number>;
  reports(): readonly Report[];
  lanes(): readonly (LaneState & { readonly record: EpochRecord | null; readonly newest: number })[];
  usage(): JournalUsage;
  close(): Promise<void>;
}
