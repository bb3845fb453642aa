/**
 * MirrorMaker in memory, as far as the queue can tell: it copies each partition by itself, committed records in their
 * order, and remembers how far it is. After its source has lost an end it goes on in one of the ways of the real one.
 */
import type { Place, StoredRecord } from "../../gateway/queue/kafka/cluster.ts";
import type { FakeCluster } from "./kafka-cluster.ts";

/**
 * What happens once the source is shorter, or another, than what was copied: a running one goes back to where they part;
 * one that was started again goes on where it was, and from the beginning where nothing is there any more.
 */
export type Aftermath = "goes back" | "goes on";

export interface FakeMirrorMaker {
  /** Copies up to `recordsMax` records of a partition. */
  copy(place: Place, recordsMax: number, aftermath: Aftermath): void;
  /** True where it has met another end than it had copied. */
  hasParted(): boolean;
  /** How often it has copied what has a name. */
  readonly copies: ReadonlyMap<string, number>;
}

/** @param namesOf what tells records apart that are copied twice */
export function fakeMirrorMaker(
  from: FakeCluster,
  to: FakeCluster,
  namesOf: (record: StoredRecord) => readonly string[],
): FakeMirrorMaker {
  const copied = new Map<string, StoredRecord[]>();
  const copies = new Map<string, number>();
  let parted = false;

  /** Where it reads on: behind what it copied last. */
  function nextOf(key: string, there: readonly StoredRecord[], aftermath: Aftermath): number {
    const done = copied.get(key) ?? [];
    const last = done.at(-1);
    const at = last === undefined ? -1 : there.findLastIndex(({ offset }) => offset <= last.offset);
    if (last === undefined || there[at] === last) return (last?.offset ?? -1) + 1;
    parted = true;
    const isThere = new Set(there);
    if (aftermath === "goes back") {
      const kept = done.filter((record) => isThere.has(record));
      copied.set(key, kept);
      return (kept.at(-1)?.offset ?? -1) + 1;
    }
    if ((there.at(-1)?.offset ?? -1) >= last.offset) return last.offset + 1;
    copied.set(key, []);
    return 0;
  }

  return {
    copies,
    hasParted: () => parted,
    copy(place, recordsMax, aftermath) {
      const key = `${place.topic}/${place.partition}`;
      const there = from.committed(place);
      const next = nextOf(key, there, aftermath);
      const found = there.filter(({ offset }) => offset >= next).slice(0, recordsMax);
      for (const record of found) {
        to.write(place, record);
        for (const name of namesOf(record)) copies.set(name, (copies.get(name) ?? 0) + 1);
      }
      copied.set(key, [...(copied.get(key) ?? []), ...found]);
    },
  };
}
