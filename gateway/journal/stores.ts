/** What the journal knows of each store of an agent: its floor, and the lowest run that is not settled yet. */
import type { Db } from "../../shared/sqlite.ts";
import type { Floor } from "../queue/queue.ts";

export interface StoreRow {
  readonly floor: number;
  /** As HELLO told last; 0 while no HELLO came, so that nothing of the store is forgotten. */
  readonly lowestUnsettledRun: number;
}

const cachedMax = 4096;

export type Stores = ReturnType<typeof openStores>;

export function openStores(db: Db) {
  const select = db.prepare(
    "SELECT floor, lowest_unsettled_run AS lowestUnsettledRun FROM stores WHERE agent = ? AND store_id = ?",
  );
  const upsert = db.prepare("INSERT OR REPLACE INTO stores VALUES (?, ?, ?, ?)");
  const anyOf = db.prepare("SELECT 1 FROM stores WHERE agent = ? LIMIT 1");
  const countOf = db.prepare("SELECT count(*) FROM stores WHERE agent = ?").pluck();
  const cached = new Map<string, StoreRow | null>();

  function find(agent: string, storeId: string): StoreRow | null {
    const key = `${agent} ${storeId}`;
    let row = cached.get(key);
    if (row === undefined) {
      row = (select.get(agent, storeId) as StoreRow | undefined) ?? null;
      if (cached.size >= cachedMax) cached.clear();
      cached.set(key, row);
    }
    return row;
  }

  function save(agent: string, storeId: string, row: StoreRow): void {
    upsert.run(agent, storeId, row.floor, row.lowestUnsettledRun);
    cached.delete(`${agent} ${storeId}`);
  }

  return {
    find,
    floorOf: (agent: string, storeId: string | null): number =>
      storeId === null ? 0 : (find(agent, storeId)?.floor ?? 0),
    isKnown: (agent: string): boolean => anyOf.get(agent) !== undefined,
    countOf: (agent: string): number => countOf.get(agent) as number,
    /** A floor only rises: a lower one would let forgotten epochs in again. */
    raiseFloor({ agent, storeId, run }: Floor): void {
      const row = find(agent, storeId);
      if (run > (row?.floor ?? 0)) {
        save(agent, storeId, { floor: run, lowestUnsettledRun: row?.lowestUnsettledRun ?? 0 });
      }
    },
    noteLowestUnsettled(agent: string, storeId: string, run: number): void {
      const row = find(agent, storeId);
      if (row?.lowestUnsettledRun !== run) save(agent, storeId, { floor: row?.floor ?? 0, lowestUnsettledRun: run });
    },
    rolledBack: (): void => cached.clear(),
  };
}
