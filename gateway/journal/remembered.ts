/** What a journal that nobody has open remembers of its queue. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "../../shared/sqlite.ts";
import type { LanePosition } from "../queue/queue.ts";
import { openLanes } from "./lanes.ts";

const cacheBytes = 4 * 1024 * 1024;

/**
 * The positions that the journal in a folder knows as forwarded; undefined where there is no journal.
 * @throws SQLite's errors, and Fault `damaged`, where it cannot be read
 */
export function rememberedPositions(folder: string): LanePosition[] | undefined {
  const path = join(folder, "journal.db");
  if (!existsSync(path)) return undefined;
  const db = openDatabase(path, { cacheBytes });
  try {
    const lanes = openLanes(db);
    return lanes.ids().flatMap((id) => {
      const row = lanes.byId(id);
      if (row === undefined || row.forwarded.length === 0) return [];
      return { lane: row.lane, storeId: row.storeId ?? "", run: row.run, forwarded: row.forwarded };
    });
  } finally {
    db.close();
  }
}
