/** What a journal that nobody has open remembers of its queue. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Db, openDatabase } from "../../shared/sqlite.ts";
import type { LanePosition } from "../queue/queue.ts";
import { openLanes } from "./lanes.ts";

const cacheBytes = 4 * 1024 * 1024;

/**
 * The positions that the journal in a folder knows as forwarded; undefined where there is none that can be read as it is:
 * a journal that must be mended first needs its queue for that.
 */
export function rememberedPositions(folder: string): LanePosition[] | undefined {
  const path = join(folder, "journal.db");
  if (!existsSync(path)) return undefined;
  try {
    const db = openDatabase(path, { cacheBytes });
    try {
      return positionsIn(db);
    } finally {
      db.close();
    }
  } catch {
    return undefined;
  }
}

/** The same of an open journal file; undefined while it has no tables. */
export function positionsIn(db: Db): LanePosition[] | undefined {
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'lanes'").get() === undefined) return undefined;
  const lanes = openLanes(db);
  return lanes.ids().flatMap((id) => {
    const row = lanes.byId(id);
    if (row === undefined || row.forwarded.length === 0) return [];
    return { lane: row.lane, storeId: row.storeId ?? "", run: row.run, forwarded: row.forwarded };
  });
}
