/**
 * Old epochs (PROTOCOL.md §8, Forgetting): the positions of the latest full and forwarded epochs are kept, older ones
 * give way to a floor, so that a fleet that restarts every day does not grow its journal for ever (I8).
 */
import { epochsKept } from "../../shared/limits.ts";
import type { Forgetting } from "./journal.ts";
import type { LaneRow } from "./lanes.ts";
import { removeReserved } from "./ledger.ts";
import type { SeedingQueue } from "./reseed.ts";
import type { Tables } from "./tables.ts";

/** What may be forgotten now, per store. */
export function findForgettable(tables: Tables, queue: SeedingQueue): Forgetting[] {
  const byStore = new Map<string, LaneRow[]>();
  for (const { agent, stream } of tables.lanes.crowded(epochsKept)) {
    for (const row of tables.lanes.settled(agent, stream).slice(0, -epochsKept)) {
      const key = `${agent} ${row.storeId}`;
      byStore.set(key, [...(byStore.get(key) ?? []), row]);
    }
  }
  return [...byStore.values()].flatMap((rows) => forgettingOf(tables, queue, rows) ?? []);
}

function forgettingOf(tables: Tables, queue: SeedingQueue, rows: readonly LaneRow[]): Forgetting | undefined {
  const [{ lane, storeId }] = rows as [LaneRow];
  if (storeId === null) return undefined;
  const { agent } = lane;
  const candidates = new Set(rows.map((row) => row.id));
  // The floor refuses every epoch at or below it that is not known, so it must stay below what the agent may still
  // send, and below lanes that only this journal knows: after its loss they would be refused.
  const onlyHere = tables.lanes
    .ofAgent(agent)
    .filter((row) => row.storeId === storeId && row.version > 0 && !candidates.has(row.id))
    .filter((row) => queue.released(row.lane).length === 0);
  const lowestUnsettledRun = tables.stores.find(agent, storeId)?.lowestUnsettledRun ?? 0;
  const below = Math.min(lowestUnsettledRun, ...onlyHere.map((row) => row.run));
  const chosen = rows.filter((row) => row.run < below);
  if (chosen.length === 0) return undefined;
  const run = Math.max(...chosen.map((row) => row.run));
  return { floor: { agent, storeId, run }, lanes: chosen.map((row) => row.lane) };
}

/** Deletes the lanes and raises the floor; inside a transaction. */
export function forgetLanes(tables: Tables, { floor, lanes }: Forgetting): void {
  tables.stores.raiseFloor(floor);
  for (const lane of lanes) {
    const row = tables.lanes.find(lane);
    if (row !== undefined && row.waiting === 0) removeLane(tables, row);
  }
  for (const row of tables.lanes.ofAgent(floor.agent)) {
    if (row.version === 0 && row.storeId === floor.storeId && row.run <= floor.run) removeLane(tables, row);
  }
}

export function removeLane(tables: Tables, row: LaneRow): void {
  tables.lanes.remove(row.id);
  removeReserved(tables.db, row.lane);
  tables.epochs.removeUnused(row.lane.agent, row.lane.epoch);
}
