/** A partition of the cluster in memory: a log of records and markers, and what readers may see of it. */
import type { Place, StoredRecord } from "../../gateway/queue/kafka/cluster.ts";

/** What is appended; the producer of a record without a transaction is "". */
export type LogEntry =
  | { readonly kind: "record"; readonly pid: string; readonly record: StoredRecord }
  | { readonly kind: "marker"; readonly pid: string; readonly isCommit: boolean };

export interface Log {
  readonly place: Place;
  low: number;
  items: { readonly entry: LogEntry; readonly atMs: number; readonly leaderEpoch: number }[];
  leaderEpoch: number;
  /** The highest epoch of each producer whose marker stands here. */
  readonly epochs: Map<string, number>;
}

export function newLog(place: Place): Log {
  return { place, low: 0, items: [], leaderEpoch: 0, epochs: new Map() };
}

export function append(log: Log, atMs: number, entry: LogEntry): void {
  log.items.push({ entry, atMs, leaderEpoch: log.leaderEpoch });
}

/** The offset that the next entry gets. */
export function endOf({ low, items }: Log): number {
  return low + items.length;
}

/** The end of what leaders up to an epoch have written. */
export function endOfEpoch(log: Log, leaderEpoch: number): number {
  const later = log.items.findIndex((item) => item.leaderEpoch > leaderEpoch);
  return later < 0 ? endOf(log) : log.low + later;
}

/** The last `count` items are gone, and the leader is another one. */
export function cutEnd(log: Log, count: number): number {
  const gone = log.items.splice(log.items.length - count);
  log.leaderEpoch++;
  log.epochs.clear();
  return gone.length;
}

/** The fate of each item: true committed, false aborted, undefined undecided; markers are null. */
function fatesOf({ items }: Log): (boolean | null | undefined)[] {
  const decided = new Map<string, boolean>();
  const fates: (boolean | null | undefined)[] = [];
  for (let at = items.length - 1; at >= 0; at--) {
    const { entry } = items[at] as Log["items"][number];
    if (entry.kind === "marker") decided.set(entry.pid, entry.isCommit);
    fates[at] = entry.kind === "marker" ? null : entry.pid === "" ? true : decided.get(entry.pid);
  }
  return fates;
}

export function stableOf(log: Log): number {
  const undecided = fatesOf(log).indexOf(undefined);
  return undecided < 0 ? endOf(log) : log.low + undecided;
}

/** The first record of a producer that is undecided; null where there is none. */
export function openFrom(log: Log, pid: string): number | null {
  const fates = fatesOf(log);
  const first = log.items.findIndex(({ entry }, at) => fates[at] === undefined && entry.pid === pid);
  return first < 0 ? null : log.low + first;
}

export function readCommitted(log: Log, from: number, end: number): StoredRecord[] {
  const fates = fatesOf(log);
  return log.items.flatMap(({ entry }, at) => {
    const offset = log.low + at;
    return entry.kind === "record" && fates[at] === true && offset >= from && offset < end ? [entry.record] : [];
  });
}
