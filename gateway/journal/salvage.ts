/**
 * Takes over what can still be read of a journal that was set aside: each row is judged by its own CRC. What cannot be
 * read is missing, and what is missing comes again as long as its agent holds it.
 */
import Database from "better-sqlite3";
import { crcHolds } from "../../shared/block/block.ts";
import { type HeadRow, isIntact, toEntry } from "./entries.ts";
import { type StoredRow, toRow } from "./lanes.ts";
import type { Tables } from "./tables.ts";

/** Rows that may fail to be read before the rest is given up: each costs one look at a damaged page. */
const failuresMax = 20_000;
/** Salvaged bytes per transaction. */
const commitBytes = 8 * 1024 * 1024;

/** Fills the empty `tables` from the file at `path`; returns how many blocks it took over. */
export function salvage(path: string, tables: Tables): number {
  let old: Database.Database;
  try {
    old = new Database(path, { readonly: true });
  } catch {
    return 0;
  }
  try {
    tables.begin();
    const salvaged = copyEntries(old, tables, copyLanes(old, tables));
    tables.commit();
    return salvaged;
  } catch {
    // Whatever else is wrong with the file, it must not keep the new journal from starting (I10).
    tables.rollback();
    return 0;
  } finally {
    old.close();
  }
}

/** The rows of a table in the order of their ids, as far as they can be read. */
function* readable<Row extends { id: number }>(old: Database.Database, sql: string): Iterable<Row> {
  const next = old.prepare(`${sql} WHERE id > ? ORDER BY id LIMIT 1`);
  let after = 0;
  for (let failures = 0; failures < failuresMax; ) {
    try {
      const row = next.get(after) as Row | undefined;
      if (row === undefined) return;
      after = row.id;
      yield row;
    } catch {
      failures++;
      after++;
    }
  }
}

/** Copies what the lanes note; their positions come from the queue and from the entries. */
function copyLanes(old: Database.Database, tables: Tables): Map<number, number> {
  const ids = new Map<number, number>();
  for (const stored of readable<StoredRow>(old, "SELECT * FROM lanes")) {
    try {
      const { lane, storeId, run, newest, last, givenUp, gone, lost } = toRow(stored);
      if (tables.lanes.find(lane) !== undefined) continue;
      const made = tables.lanes.create(lane, storeId, run);
      tables.lanes.save({ ...made, newest, last, givenUp, gone, lost });
      ids.set(stored.id, made.id);
    } catch {
      // A lane whose row is damaged cannot be named, so its entries cannot be either.
    }
  }
  return ids;
}

function copyEntries(old: Database.Database, tables: Tables, laneIds: ReadonlyMap<number, number>): number {
  const payload = old.prepare("SELECT bytes FROM payloads WHERE id = ?").pluck();
  let salvaged = 0;
  let bytes = 0;
  for (const row of readable<HeadRow>(old, "SELECT * FROM entries")) {
    const laneId = laneIds.get(row.lane);
    const found = laneId === undefined || !isIntact(row) ? undefined : bytesOf(payload, row.id);
    if (laneId === undefined || found === undefined) continue;
    const { block, clock } = toEntry(row, found);
    if (!crcHolds(block)) continue;
    tables.entries.insert(laneId, block, clock);
    salvaged++;
    bytes += found.length;
    if (bytes < commitBytes) continue;
    tables.commit();
    tables.begin();
    bytes = 0;
  }
  return salvaged;
}

function bytesOf(payload: Database.Statement, id: number): Uint8Array | undefined {
  try {
    return payload.get(id) as Uint8Array | undefined;
  } catch {
    return undefined;
  }
}
