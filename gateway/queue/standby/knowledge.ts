/** What two clusters have together; for one that cannot be asked stands what is remembered of it. */
import { type Ranges, union } from "../../../shared/ranges.ts";
import type { Reach, SeedingQueue } from "../../journal/reseed.ts";
import type { KafkaQueue } from "../kafka/kafka.ts";
import { laneKey } from "../lane-key.ts";
import type { Floor, Lane, LanePosition } from "../queue.ts";
import { eachLane } from "./held.ts";
import { bothSides } from "./ledger.ts";

export interface KnowledgeOptions {
  readonly groupId: string;
  /** What the journal knew as forwarded at the start. */
  readonly remembered: readonly LanePosition[];
  /** The queues that can be asked. @throws Fault `closed` */
  readonly queues: () => readonly KafkaQueue[];
  readonly active: () => KafkaQueue | undefined;
  /** What the journal knows as forwarded. */
  readonly told: (lane: Lane) => Ranges;
  readonly reach: () => Reach;
}

export function openKnowledge({ groupId, queues, active, told, reach, ...first }: KnowledgeOptions) {
  const remembered = new Map(first.remembered.map((one) => [laneKey(one.lane), one]));
  /** Of clusters that cannot be asked; those that can are believed. */
  const known = (): ReadonlyMap<string, LanePosition> =>
    queues().length === bothSides.length ? new Map() : remembered;

  function ofAll(lane: Lane, rangesOf: (queue: KafkaQueue) => Ranges): Ranges {
    const own = known().get(laneKey(lane))?.forwarded ?? [];
    return queues().reduce((ranges, queue) => union(ranges, rangesOf(queue)), own);
  }

  const released = (lane: Lane): Ranges => ofAll(lane, (queue) => queue.released(lane));

  /**
   * What the journal was told counts too. A side may know less of what it has released than it knew: its newest base is
   * written with its next transaction, and until then a new term tells of the one before (found by the simulation).
   */
  function forwarded(lane: Lane): Ranges {
    const own = active()?.forwarded(lane) ?? [];
    return union(union(own, released(lane)), told(lane));
  }

  function* releasedPositions(): Generator<LanePosition> {
    const positions = queues().map((one) => one.releasedPositions());
    for (const { lane, storeId, run } of eachLane(...positions, known().values())) {
      yield { lane, storeId, run, forwarded: released(lane) };
    }
  }

  function* positions(): Generator<LanePosition> {
    for (const { lane, storeId, run } of eachLane(...queues().map((one) => one.positions()), known().values())) {
      const ranges = forwarded(lane);
      if (ranges.length > 0) yield { lane, storeId, run, forwarded: ranges };
    }
  }

  function floors(): Iterable<Floor> {
    const highest = new Map<string, Floor>();
    for (const floor of queues().flatMap((queue) => [...queue.floors()])) {
      const key = `${floor.agent} ${floor.storeId}`;
      if (floor.run > (highest.get(key)?.run ?? 0)) highest.set(key, floor);
    }
    return highest.values();
  }

  function isBelowFloor(position: LanePosition | undefined): boolean {
    if (position === undefined) return false;
    const { lane, storeId, run } = position;
    return [...floors()].some((floor) => floor.agent === lane.agent && floor.storeId === storeId && run <= floor.run);
  }

  // The journal compares itself with what the clusters have: its own word must not come back to it.
  const seeding: SeedingQueue = {
    groupId,
    floors,
    forwarded(lane) {
      const isThere = queues().some((queue) => queue.forwarded(lane).length > 0);
      // The stop came between a queue's forgetting and the journal's.
      if (!isThere && isBelowFloor(known().get(laneKey(lane)))) return [];
      return ofAll(lane, (queue) => queue.forwarded(lane));
    },
    released,
    releasedPositions,
    reach,
  };

  return {
    released,
    forwarded,
    positions,
    releasedPositions,
    floors,
    seeding,
    /** Keeps what a queue has released that is about to be closed. */
    remember(positionsOf: Iterable<LanePosition>): void {
      for (const position of positionsOf) {
        const before = remembered.get(laneKey(position.lane))?.forwarded ?? [];
        remembered.set(laneKey(position.lane), { ...position, forwarded: union(before, position.forwarded) });
      }
    },
    forget(lanes: readonly Lane[]): void {
      for (const lane of lanes) remembered.delete(laneKey(lane));
    },
  };
}
