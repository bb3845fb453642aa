/**
 * The sending half of the uplink: walks the lanes by priority and keeps the window full with batches of whole blocks.
 * The wire carries the bytes as stored; nothing is encoded again to be sent.
 */
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

export interface Sender {
  readonly flights: Flights;
  /** Begins a session: nothing is under way, everything pending is to be walked. */
  begin(): void;
  /** The next batch to send, noted as in flight; undefined where the window is full or nothing waits. */
  next(session: Session, nonce: string, groupId: string, isReady: (lane: Lane) => boolean): Batch | undefined;
  /** Takes a position's answer into account after the store has applied it. */
  answered(lane: Lane, journaled: Ranges, windowMax: number): void;
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

export function createSender(store: Store, env: Env, priorityOf: (stream: string) => number): Sender {
  const flights = createFlights();
  /** Per lane the seq to look on from; a lane that is not in it has been walked to its end. */
  const walked = new Map<string, number>();
  const ended = new Set<string>();
  let pace: Pace = initialPace;
  let readingsSent = 0;

  const startOf = (lane: Lane): number => gaps(lane.journaled, 1, Math.max(lane.last, 1))[0]?.first ?? lane.last + 1;
  function rewind(lane: { run: number; stream: number }): void {
    walked.delete(laneKey(lane));
    ended.delete(laneKey(lane));
  }

  /** The next rows of a lane that can go, or none after walking to its end. */
  function rowsOf(lane: Lane, batchBytesMax: number): readonly BlockRow[] {
    const key = laneKey(lane);
    const nowMs = env.monoMs();
    const skip = (row: BlockRow): boolean => flights.holds(row) || flights.rests(row, nowMs);
    for (;;) {
      const rows = store.page(lane, walked.get(key) ?? startOf(lane));
      const found = cut(rows, { batchBytesMax, waiting: lane.waiting, skip });
      if (rows.length > 0) walked.set(key, found.resume);
      if (found.isEnd && rows.length < pageRows) ended.add(key);
      if (found.rows.length > 0 || ended.has(key)) return found.rows;
    }
  }

  function batchOf(lane: Lane, rows: readonly BlockRow[], nonce: string, groupId: string): Batch | undefined {
    const blocks = rows.flatMap((row) => store.block(lane, row) ?? []);
    if (blocks.length === 0) return undefined;
    for (const row of rows) store.noteSent(row);
    const segment = clockOf(rows);
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
    next(session, nonce, groupId, isReady) {
      if (flights.size() >= Math.min(pace.window, session.sendWindow)) return undefined;
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
      // Something pending that nobody is sending: it came back, or was cut anew. Look at the lane from its first gap.
      if (lane.tallies[pending].blocks > 0 && ended.has(laneKey(lane))) rewind(lane);
    },
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
