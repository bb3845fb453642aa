/**
 * How much a commit may hold. Where the queue takes long over one, as over a slow link or where brokers throttle, the next
 * is smaller: a commit that lasts as long as a transaction may would fail, and fail again for ever (seen with a quota of
 * 10 kB/s). Pure.
 */
import type { JournalEntry } from "../journal/journal.ts";

export interface CommitSize {
  readonly bytes: number;
  readonly readings: number;
}

/** Enough for one commit to spread its fsyncs over many readings, little enough for flat memory. */
export const commitSizeMax: CommitSize = { bytes: 4 * 1024 * 1024, readings: 50_000 };
/** Where every commit takes long, however small, there must still be some throughput. */
const commitSizeMin: CommitSize = { bytes: 16 * 1024, readings: 1_000 };
/** A request over a connection that brokers have muted is given up after 10 s. */
const slowMs = 5_000;
/** So that a commit of twice the size is not slow. */
const quickMs = slowMs / 2;
/** What came in while one commit took its time must not make the next one many times as large. */
const creep = 1.25;

export function sizeOfEntries(entries: readonly Pick<JournalEntry, "block">[]): CommitSize {
  let [readings, bytes] = [0, 0];
  for (const { block } of entries) {
    readings += block.count;
    bytes += block.bytes.length;
  }
  return { bytes, readings };
}

/** Enough for a commit that is worth its cost. */
export function isLarge(held: CommitSize, most: CommitSize): boolean {
  return held.readings > most.readings / 2 || held.bytes > most.bytes / 2;
}

/**
 * The most that the next commit may hold.
 * @param most what held for this one
 * @param held what it held
 * @param tookMs until the queue answered
 * @param landed false where it failed: that it failed quickly says nothing about its size
 */
export function nextCommitSize(most: CommitSize, held: CommitSize, tookMs: number, landed: boolean): CommitSize {
  if (tookMs > slowMs) return scaled(held, 1 / 2);
  if (!landed) return most;
  if (tookMs > quickMs) return scaled(held, creep);
  return isLarge(held, most) ? scaled(most, 2) : most;
}

function scaled({ bytes, readings }: CommitSize, by: number): CommitSize {
  const within = (least: number, value: number, top: number): number =>
    Math.min(top, Math.max(least, Math.floor(value)));
  return {
    bytes: within(commitSizeMin.bytes, bytes * by, commitSizeMax.bytes),
    readings: within(commitSizeMin.readings, readings * by, commitSizeMax.readings),
  };
}
