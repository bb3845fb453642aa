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
const commitSizeMin: CommitSize = { bytes: 4 * 1024, readings: 50 };
/** A request over a connection that brokers have muted is given up after 10 s, and half a commit may wait behind the other. */
const slowMs = 3_000;
/** So that a commit of twice the size is not slow. */
const quickMs = slowMs / 4;

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
  if (tookMs > slowMs) {
    return {
      bytes: Math.max(commitSizeMin.bytes, Math.floor(held.bytes / 2)),
      readings: Math.max(commitSizeMin.readings, Math.floor(held.readings / 2)),
    };
  }
  if (!landed || tookMs > quickMs || !isLarge(held, most)) return most;
  return {
    bytes: Math.min(commitSizeMax.bytes, most.bytes * 2),
    readings: Math.min(commitSizeMax.readings, most.readings * 2),
  };
}
