/**
 * The sending half of the uplink: walks the lanes by priority and keeps the window full with batches of whole blocks.
 * The wire carries the bytes as stored; nothing is encoded again to be sent.
 */
import type { Block } from "../../shared/block/block.ts";
import type { Env } from "../../shared/env.ts";
import type { Batch } from "../../shared/protocol/messages.ts";
import { gaps, type Ranges } from "../../shared/ranges.ts";
import { type BlockRow, pageRows, pending } from "../store/blocks.ts";
import type { Lane } from "../store/lanes.ts";
import type { Store } from "../store/store.ts";
import { clockOf, cut } from "./cut.ts";
import { createFlights, type Flight, type Flights, laneKey } from "./flights.ts";
import { answered, initialPace, type Pace, timeoutMs, unanswered } from "./pace.ts";
import type { Session } from "./state.ts";

/**
 * Bytes of a batch where blocks are small; a larger block travels alone. Small enough that a full window is 1 MB of a
 * device's memory, large enough that the transaction that its answer costs is spread over many readings.
 */
const batchBytesWanted = 64 * 1024;
/** Rows looked at for a batch at the least: some of them may rest, or be smaller than most. */
const leastRows = 16;

export interface Sender {
  readonly flights: Flights;
  /** Begins a session: nothing is under way, everything pending is to be walked. */
  begin(): void;
  /**
   * The next batch to send, noted as in flight; undefined where the window is full or nothing waits.
   * @param windowMax batches that may be in flight
   */
  next(
    session: Session,
    nonce: string,
    groupId: string,
    windowMax: number,
    isReady: (lane: Lane) => boolean,
  ): Batch | undefined;
  /** The link has taken the latest batch. */
  taken(): void;
  /**
   * Takes a position's answer into account after the store has applied it.
   * @returns true where it answers a batch
   */
  answered(lane: Lane, journaled: Ranges, windowMax: number): boolean;
  /** A lane must be walked from its first gap again. */
  rewind(lane: { run: number; stream: number }): void;
  /** New blocks were appended. */
  appended(): void;
  /** Gives up on batches that were not answered in time; returns these. */
  expire(): readonly Flight[];
  patience(): number;
  timeoutMs(): number;
  readingsSent(): number;
}

/**
 * Rows that fill a batch where they are as large as those that wait are on average. Each row that is fetched in vain is
 * 1 kB of garbage, and whole pages filled the young generation with it: 2 MB of growth while a backlog was sent.
 */
function rowsWanted(lane: Lane, batchBytesMax: number): number {
  const { blocks, bytes } = lane.tallies[pending];
  const average = bytes / Math.max(1, blocks);
  return Math.min(pageRows, Math.max(leastRows, Math.ceil(batchBytesMax / Math.max(1, average))));
}

export function createSender(store: Store, env: Env, priorityOf: (stream: string) => number): Sender {
  const flights = createFlights();
  /** Per lane the seq to look on from; a lane that is not in it has been walked to its end. */
  const walked = new Map<string, number>();
  const ended = new Set<string>();
  let pace: Pace = initialPace;
  let readingsSent = 0;

  function rewind(lane: { run: number; stream: number }): void {
    walked.delete(laneKey(lane));
    ended.delete(laneKey(lane));
  }

  /**
   * The next rows of a lane that can go, or none after walking to its end. Only what no journal has is looked at: a
   * block that rests, with a million delivered ones behind it, must not cost a walk over these for each answer (I8).
   */
  function rowsOf(lane: Lane, batchBytesMax: number): readonly BlockRow[] {
    const key = laneKey(lane);
    const nowMs = env.monoMs();
    const skip = (row: BlockRow): boolean => flights.holds(row) || flights.rests(row, nowMs);
    for (;;) {
      const gap = gaps(lane.journaled, walked.get(key) ?? 1, lane.last)[0];
      const rows = gap === undefined ? [] : store.page(lane, gap.first, rowsWanted(lane, batchBytesMax));
      if (rows.length === 0) {
        ended.add(key);
        return [];
      }
      const found = cut(rows, { batchBytesMax, waiting: lane.waiting, skip });
      walked.set(key, found.resume);
      if (found.rows.length > 0) return found.rows;
    }
  }

  function batchOf(lane: Lane, rows: readonly BlockRow[], nonce: string, groupId: string): Batch | undefined {
    const blocks: Block[] = [];
    for (const row of rows) {
      const block = store.block(lane, row);
      // A damaged block has just become a loss record, perhaps together with one before it: the lane is walked anew.
      if (block === undefined) {
        rewind(lane);
        break;
      }
      // Noted before the next one is read, so that no loss record in this batch can still grow and lose its edge.
      store.noteSent(row);
      blocks.push(block);
    }
    if (blocks.length === 0) return undefined;
    const segment = clockOf(rows.slice(0, blocks.length));
    return {
      type: "batch",
      nonce,
      groupId,
      stream: lane.name,
      record: store.record(lane),
      newest: lane.last,
      clock: segment === null ? { segment: 0, offsetUs: 0, quality: "unsynced" } : store.clock(segment),
      blocks,
    };
  }

  return {
    flights,
    begin() {
      flights.clear();
      walked.clear();
      ended.clear();
      pace = initialPace;
    },
    next(session, nonce, groupId, windowMax, isReady) {
      if (flights.size() >= Math.min(pace.window, windowMax)) return undefined;
      const bytesMax = Math.min(session.batchBytesMax, batchBytesWanted);
      const lanes = store
        .lanes()
        .filter((lane) => lane.tallies[pending].blocks > 0 && !ended.has(laneKey(lane)) && isReady(lane))
        .sort((a, b) => priorityOf(a.name) - priorityOf(b.name) || a.run - b.run);
      for (const lane of lanes) {
        const rows = rowsOf(lane, bytesMax);
        if (rows.length === 0) continue;
        const batch = batchOf(lane, rows, nonce, groupId);
        if (batch === undefined) continue;
        const head = batch.blocks[0] as Batch["blocks"][number];
        const tail = batch.blocks[batch.blocks.length - 1] as Batch["blocks"][number];
        flights.add({
          lane: laneKey(lane),
          first: head.first,
          last: tail.first + tail.count - 1,
          sentMs: env.monoMs(),
        });
        readingsSent += batch.blocks.reduce((sum, block) => sum + block.count, 0);
        return batch;
      }
      return undefined;
    },
    answered(lane, journaled, windowMax) {
      const sentMs = flights.answer(lane, journaled);
      if (sentMs !== null) pace = answered(pace, env.monoMs() - sentMs, windowMax);
      // Something missing that was walked over and that nobody is sending: it came back, was cut anew, or has rested.
      const key = laneKey(lane);
      const behind = gaps(journaled, 1, (walked.get(key) ?? 1) - 1);
      if (behind.some((gap) => !flights.cover(key, gap))) rewind(lane);
      return sentMs !== null;
    },
    taken: () => flights.taken(env.monoMs()),
    rewind,
    appended() {
      ended.clear();
    },
    expire() {
      const late = flights.expire(env.monoMs() - timeoutMs(pace));
      if (late.length === 0) return late;
      pace = unanswered(pace);
      walked.clear();
      ended.clear();
      return late;
    },
    patience: () => pace.patience,
    timeoutMs: () => timeoutMs(pace),
    readingsSent: () => readingsSent,
  };
}
