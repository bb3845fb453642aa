/**
 * What a journal does when it may have gone back (PROTOCOL.md §8): its positions become what the queue has plus what
 * still waits here, under a new journal id. The same serves a new journal, a damaged row and a queue that lost records:
 * whatever neither side can show is missing, and what is missing comes again.
 */
import { Fault } from "../../shared/errors.ts";
import { rangesMax } from "../../shared/limits.ts";
import { add, beyond, clip, gaps, type Ranges, withinCount } from "../../shared/ranges.ts";
import { laneKey } from "../queue/lane-key.ts";
import type { Lane, LanePosition, Queue } from "../queue/queue.ts";
import type { LaneRow } from "./lanes.ts";
import type { Tables } from "./tables.ts";

/** A queue may not have been reached yet, or one of its two clusters only. */
export type Reach = "nothing" | "part" | "all";

export interface SeedingQueue
  extends Pick<Queue, "groupId" | "floors" | "forwarded" | "released" | "releasedPositions"> {
  /** How much of the queue can be asked; the rest is what the journal itself remembers. All where absent. */
  readonly reach?: () => Reach;
}

/**
 * Unites positions and floors with the queue's; inside a transaction.
 * @throws Fault `busy` while a part of the queue is away. A journal that went back must not answer before (PROTOCOL.md §8): it would
 * tell less as forwarded than agents were told, who have let go of the edges by which they would know that end, and they
 * would take it for another's (found by the simulation)
 */
export function reseed(tables: Tables, queue: SeedingQueue): void {
  if ((queue.reach?.() ?? "all") !== "all") {
    throw new Fault("busy", {
      what: "the journal may have gone back, and cannot be united with the queue yet",
      why: "the queue does not answer",
      remedy: "look at the queue's cluster; agents keep what they have until then",
      retryable: true,
    });
  }
  const { lanes, stores } = tables;
  const positions = new Map<string, LanePosition>();
  // What the queue has and could still lose, agents must send again; the forwarder leaves out what is there by then (I5).
  for (const position of queue.releasedPositions()) {
    if (!wasForgotten(tables, position)) positions.set(laneKey(position.lane), position);
  }
  for (const floor of queue.floors()) stores.raiseFloor(floor);
  const kept = lanes.ids().filter((id) => {
    const stays = mayStay(tables, id, queue);
    if (!stays) lanes.remove(id);
    return stays;
  });
  const seeds = new Map(kept.map((id) => [id, positions.get(keyOf(tables, id))?.forwarded ?? []]));
  const journaled = withWaiting(tables, seeds);
  for (const id of kept) {
    const row = lanes.byId(id) as LaneRow;
    positions.delete(laneKey(row.lane));
    const { ranges, count } = journaled.get(id) as Journaled;
    const version = row.version === 0 && ranges.length === 0 ? 0 : row.version + 1;
    lanes.save({ ...row, version, waiting: count, journaled: ranges, forwarded: seeds.get(id) as Ranges });
  }
  for (const { lane, storeId, run, forwarded } of positions.values()) {
    const row = lanes.create(lane, storeId, run);
    lanes.save({ ...row, version: 1, journaled: forwarded, forwarded });
  }
}

/** True for a lane below a floor of the journal's own which it does not know: a cluster was away when it was forgotten. */
function wasForgotten({ lanes, stores }: Tables, { lane, storeId, run }: LanePosition): boolean {
  try {
    return run <= stores.floorOf(lane.agent, storeId) && lanes.find(lane) === undefined;
  } catch {
    // A damaged row is a row.
    return false;
  }
}

/**
 * False for a lane at or below the floor that the queue does not know, since it may have been forgotten there, and for a
 * damaged row: nobody knows whose its entries are.
 */
function mayStay(tables: Tables, id: number, queue: SeedingQueue): boolean {
  try {
    const row = tables.lanes.byId(id);
    if (row === undefined) return false;
    return queue.forwarded(row.lane).length > 0 || row.run > tables.stores.floorOf(row.lane.agent, row.storeId);
  } catch {
    return false;
  }
}

function keyOf(tables: Tables, id: number): string {
  return laneKey((tables.lanes.byId(id) as LaneRow).lane);
}

interface Journaled {
  ranges: Ranges;
  /** Entries that wait. */
  count: number;
}

/**
 * Per lane, what the queue has plus what the entries hold, block by block, so that chains at their seams still join.
 * Damaged heads, entries of no lane and entries that the queue has already are removed.
 */
function withWaiting(tables: Tables, seeds: ReadonlyMap<number, Ranges>): Map<number, Journaled> {
  const found = new Map<number, Journaled>();
  for (const [id, ranges] of seeds) found.set(id, { ranges, count: 0 });
  const unusable: number[] = [];
  for (const { id, laneId, range, intact } of tables.entries.heads()) {
    const sum = found.get(laneId);
    const open = intact && sum !== undefined ? gaps(sum.ranges, range.first, range.last) : [];
    if (sum === undefined || open.length === 0) {
      unusable.push(id);
      continue;
    }
    const filled = open.reduce((all, span) => add(all, clip(range, span)), sum.ranges);
    sum.ranges = withinCount(filled, rangesMax);
    sum.count++;
  }
  for (const id of unusable) tables.entries.remove(id);
  return found;
}

export interface Comparison {
  /** The queue has what this journal does not know: the journal went back. */
  readonly journalBehind: boolean;
  /** The journal knows as forwarded what the queue does not have: the queue lost records. */
  readonly queueBehind: boolean;
  /** Lanes that the queue has forgotten already: a stop came between its step and the journal's. */
  readonly forgotten: readonly number[];
}

/** Compares the journal's positions with the queue's, at open. Throws Fault `damaged` for a damaged row. */
export function compare(tables: Tables, queue: SeedingQueue): Comparison {
  const { lanes, stores } = tables;
  const floors = new Map<string, number>();
  for (const { agent, storeId, run } of queue.floors()) floors.set(`${agent} ${storeId}`, run);
  const unseen = new Map<string, Lane>();
  for (const position of queue.releasedPositions()) {
    if (!wasForgotten(tables, position)) unseen.set(laneKey(position.lane), position.lane);
  }
  const forgotten: number[] = [];
  const forgottenRuns = new Set<string>();
  let journalBehind = false;
  let queueBehind = false;
  for (const id of lanes.ids()) {
    const row = lanes.byId(id) as LaneRow;
    const inQueue = queue.released(row.lane);
    unseen.delete(laneKey(row.lane));
    if (beyond(inQueue, row.journaled).length > 0) journalBehind = true;
    const store = `${row.lane.agent} ${row.storeId}`;
    const inPositions = queue.forwarded(row.lane);
    const isBelowFloor = row.version > 0 && row.run <= (floors.get(store) ?? 0);
    // What was released once and is there is released, though the queue may not know yet: it notes that a step later.
    const isLess = beyond(row.forwarded, inPositions).length > 0;
    // Of two clusters one may have forgotten the lane, and the other one not yet.
    if (isBelowFloor && isLess && row.waiting === 0) {
      forgotten.push(id);
      forgottenRuns.add(`${store} ${row.run}`);
    }
    // Whatever waits of an epoch that the queue has forgotten already stands there.
    else if (isBelowFloor && inPositions.length === 0) journalBehind = true;
    else if (isLess) queueBehind = true;
  }
  for (const [key, run] of floors) {
    const [agent, storeId] = key.split(" ") as [string, string];
    // A floor above ours that no interrupted forgetting explains: the lanes it took were gone before they were known here.
    if (run > stores.floorOf(agent, storeId) && !forgottenRuns.has(`${key} ${run}`)) journalBehind = true;
  }
  return { journalBehind: journalBehind || unseen.size > 0, queueBehind, forgotten };
}
