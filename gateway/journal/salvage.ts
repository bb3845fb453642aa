/**
 * Takes over what can still be read of a journal that was set aside: each row is judged by its own CRC. What cannot be
 * read is missing, and what is missing comes again as long as its agent holds it.
 */
import { copyFileSync, existsSync, linkSync, rmSync } from "node:fs";
import Database from "better-sqlite3";
import { crcHolds } from "../../shared/block/block.ts";
import { mendWal } from "../../shared/wal.ts";
import { type HeadRow, isIntact, toEntry } from "./entries.ts";
import { type StoredRow, toRow } from "./lanes.ts";
import type { Tables } from "./tables.ts";

/** Rows that may fail to be read before the rest is given up: each costs one look at a damaged page. */
const failuresMax = 20_000;
/** Salvaged bytes per transaction. */
const commitBytes = 8 * 1024 * 1024;

export interface Salvaged {
  readonly blocks: number;
  /** What ended the salvage early; null where the file was read to its end. */
  readonly stoppedBy: unknown;
}

/** Fills the empty `tables` with what can be read of the file at `path`, which stays as it is. */
export function salvage(path: string, tables: Tables): Salvaged {
  let blocks = 0;
  let stoppedBy: unknown = null;
  try {
    const old = openMended(path);
    try {
      tables.begin();
      copyEntries(old, tables, copyLanes(old, tables), () => blocks++);
      tables.commit();
    } finally {
      old.close();
    }
  } catch (error) {
    // Whatever else is wrong with the file, it must not keep the new journal from starting (I10).
    stoppedBy = error;
    tables.rollback();
  }
  for (const suffix of ["", "-wal", "-shm"]) rmSync(mendedOf(path) + suffix, { force: true });
  return { blocks, stoppedBy };
}

const mendedOf = (path: string): string => `${path}.mended`;

/**
 * Opens a copy whose log was mended, so that SQLite reads what lies behind the damage. Only the log is copied: the main
 * file may be as large as the disk, and nothing is written to it through a handle that only reads.
 */
function openMended(path: string): Database.Database {
  const mended = mendedOf(path);
  rmSync(mended, { force: true });
  linkSync(path, mended);
  if (existsSync(`${path}-wal`)) {
    copyFileSync(`${path}-wal`, `${mended}-wal`);
    mendWal(`${mended}-wal`);
  }
  return new Database(mended, { readonly: true });
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
      // A store that is known is missed when its agent comes without it.
      if (storeId !== null) tables.stores.noteLowestUnsettled(lane.agent, storeId, 0);
      ids.set(stored.id, made.id);
    } catch {
      // A lane whose row is damaged cannot be named, so its entries cannot be either.
    }
  }
  return ids;
}

/** Copies the blocks whose own CRC holds, and commits now and then. */
function copyEntries(
  old: Database.Database,
  tables: Tables,
  laneIds: ReadonlyMap<number, number>,
  copied: () => void,
): void {
  const payload = old.prepare("SELECT bytes FROM payloads WHERE id = ?").pluck();
  let uncommittedBytes = 0;
  for (const row of readable<HeadRow>(old, "SELECT * FROM entries")) {
    const laneId = laneIds.get(row.lane);
    const found = laneId === undefined || !isIntact(row) ? undefined : bytesOf(payload, row.id);
    if (laneId === undefined || found === undefined) continue;
    const { block, clock } = toEntry(row, found);
    if (!crcHolds(block)) continue;
    tables.entries.insert(laneId, block, clock);
    copied();
    uncommittedBytes += found.length;
    if (uncommittedBytes < commitBytes) continue;
    tables.commit();
    tables.begin();
    uncommittedBytes = 0;
  }
}

function bytesOf(payload: Database.Statement, id: number): Uint8Array | undefined {
  try {
    return payload.get(id) as Uint8Array | undefined;
  } catch {
    return undefined;
  }
}
