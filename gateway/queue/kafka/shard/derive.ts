/**
 * What a shard's positions are when it starts (docs/design-kafka.md: base ∪ scan, always). A cluster can lose the end of any partition,
 * so the newest position records alone are never believed: what they call released is, and the names found in the data
 * itself from the older base on are added. Pure.
 */
import type { Ranges } from "../../../../shared/ranges.ts";
import type { Floor } from "../../queue.ts";
import { followed } from "../mirror/moves.ts";
import {
  floorText,
  type LaneRecord,
  laneText,
  type PositionRecord,
  type QueueRecord,
  type ReplayRecord,
  replayText,
  type ShardRecord,
} from "../records/position-records.ts";
import type { FoundNames } from "./found-names.ts";

/** A positions partition, folded: the newest record of each key. */
export interface Folded {
  queue: QueueRecord | undefined;
  shard: ShardRecord;
  readonly lanes: Map<string, LaneRecord>;
  readonly floors: Map<string, Floor>;
  /** By the id of the dead letter. */
  readonly replays: Map<string, ReplayRecord>;
}

export const emptyShard: ShardRecord = {
  ...{ owner: "", t: 0, baseT: 0, clusterId: "", moves: 0 },
  bases: {},
  mirror: {},
};

export function foldPositions() {
  const maps = { lanes: new Map(), floors: new Map(), replays: new Map() };
  const folded: Folded = { queue: undefined, shard: emptyShard, ...maps };
  return {
    folded,
    take(record: PositionRecord): void {
      if (record.kind === "queue") folded.queue = record.queue;
      else if (record.kind === "shard") folded.shard = followed(folded.shard, record.shard);
      else if (record.kind === "floor") folded.floors.set(floorText(record.floor), record.floor);
      else if (record.kind === "replay") folded.replays.set(record.replay.id, record.replay);
      else if (record.kind === "lane") folded.lanes.set(laneText(record.entry.lane), record.entry);
      else if (record.kind === "deleted") folded.lanes.delete(record.key);
    },
  };
}

export interface Derived {
  readonly lanes: Map<string, LaneRecord>;
  /** Lanes whose newest record says something else: they are written again with the first transaction. */
  readonly dirty: Set<string>;
  readonly replays: Map<string, ReplayRecord>;
  /** Likewise. */
  readonly dirtyReplays: Set<string>;
}

/** What a scan from the older base on has met: all names, and those before the newest base. */
export interface Scanned {
  readonly found: FoundNames;
  readonly released: FoundNames;
}

/**
 * Derives lanes and replays. A record that was written before the newest base was known tells of the older one; once the next
 * base takes the older one's place, nobody could find what lies between, so what was released is derived as well.
 * @param isVerifiable false where retention has passed a base: names may be gone that the positions still tell, and
 * nobody can check these; they are believed
 */
export function derivePositions(folded: Folded, scanned: Scanned, isVerifiable: boolean): Derived {
  const { shard, lanes, replays } = folded;
  const { found, released } = scanned;
  const derived = new Map<string, LaneRecord>();
  const dirty = new Set<string>();
  for (const [key, entry] of lanes) {
    // A forgotten lane's readings may still be met by a scan; the floor speaks for them.
    const unite = (names: FoundNames, known: Ranges): Ranges => (entry.forgotten ? [] : names.unite(key, known));
    const base = unite(released, releasedOf(entry, shard.baseT));
    const ranges = unite(found, isVerifiable ? base : entry.ranges);
    if (!entry.forgotten && !sameRanges(ranges, entry.ranges)) dirty.add(key);
    derived.set(key, { ...entry, ranges, base });
  }
  for (const lane of found.lanes()) {
    const key = laneText(lane);
    if (derived.has(key)) continue;
    // Its record was lost with the end of the positions. Which store and run it belongs to comes with its next reading.
    const ranges = found.unite(key, []);
    const base = released.unite(key, []);
    derived.set(key, { lane, storeId: "", run: 0, t: 0, ranges, base, forgotten: false });
    dirty.add(key);
  }
  const derivedReplays = new Map<string, ReplayRecord>();
  const dirtyReplays = new Set<string>();
  for (const id of new Set([...replays.keys(), ...found.replays()])) {
    const entry = replays.get(id) ?? { id, t: 0, atMs: null, ranges: [], base: [] };
    const base = released.unite(replayText(id), releasedOf(entry, shard.baseT));
    const ranges = found.unite(replayText(id), isVerifiable ? base : entry.ranges);
    if (!sameRanges(ranges, entry.ranges)) dirtyReplays.add(id);
    derivedReplays.set(id, { ...entry, ranges, base });
  }
  return { lanes: derived, dirty, replays: derivedReplays, dirtyReplays };
}

/** The released part: all of it where a released transaction wrote the record. */
export function releasedOf(entry: Pick<LaneRecord, "t" | "ranges" | "base">, baseT: number): Ranges {
  return entry.t <= baseT ? entry.ranges : entry.base;
}

function sameRanges(a: Ranges, b: Ranges): boolean {
  return (
    a.length === b.length &&
    a.every((range, at) => {
      const other = b[at];
      return (
        range.first === other?.first &&
        range.last === other.last &&
        range.before === other.before &&
        range.after === other.after
      );
    })
  );
}
