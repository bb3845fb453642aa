/** What a journal that nobody has open remembers of its queue. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { sizeOf } from "../../shared/ranges.ts";
import { type Db, openDatabase } from "../../shared/sqlite.ts";
import { scanWal } from "../../shared/wal.ts";
import type { LanePosition } from "../queue/queue.ts";
import type { LedgerState, Side } from "../queue/standby/ledger.ts";
import { openLanes } from "./lanes.ts";
import { notedIn, reservedIn } from "./ledger.ts";

const cacheBytes = 4 * 1024 * 1024;

/**
 * The positions that the journal in a folder knows as forwarded; undefined where there is none that can be read as it is:
 * a journal that must be mended first needs its queue for that.
 */
export function rememberedPositions(folder: string): LanePosition[] | undefined {
  return withJournal(folder, positionsIn);
}

/** What a journal that nobody has open notes of two clusters; undefined where it notes nothing. */
export interface NotedClusters {
  readonly clusterIds: LedgerState["clusterIds"];
  /** Seqs that each side may have and the journal does not know as forwarded. */
  readonly reservedSeqs: Readonly<Record<Side, number>>;
}

export function notedClusters(folder: string): NotedClusters | undefined {
  return withJournal(folder, (db) => {
    const noted = hasTable(db, "ledger") ? notedIn(db) : undefined;
    if (noted === undefined) return undefined;
    const lanes = openLanes(db);
    const seqsOf = (side: Side): number => sizeOf(reservedIn(db, lanes, side).flatMap(({ spans }) => spans));
    const reservedSeqs = { primary: seqsOf("primary"), standby: seqsOf("standby") };
    return { clusterIds: noted.state.clusterIds, reservedSeqs };
  });
}

/** Forgets what is noted of two clusters, in a journal that nobody has open. */
export function forgetClusters(folder: string): void {
  withJournal(folder, (db) => void db.exec("BEGIN; DELETE FROM reserved; DELETE FROM ledger; COMMIT"));
}

/** Undefined too where the journal must be mended first: SQLite would drop what lies behind the damage in its log. */
function withJournal<T>(folder: string, look: (db: Db) => T | undefined): T | undefined {
  const path = join(folder, "journal.db");
  const wal = `${path}-wal`;
  if (!existsSync(path) || (existsSync(wal) && scanWal(wal).losesCommits)) return undefined;
  try {
    const db = openDatabase(path, { cacheBytes });
    try {
      return look(db);
    } finally {
      db.close();
    }
  } catch {
    return undefined;
  }
}

function hasTable(db: Db, name: string): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?").get(name) !== undefined;
}

/** The same of an open journal file; undefined while it has no tables. */
export function positionsIn(db: Db): LanePosition[] | undefined {
  if (!hasTable(db, "lanes")) return undefined;
  const lanes = openLanes(db);
  return lanes.ids().flatMap((id) => {
    const row = lanes.byId(id);
    if (row === undefined || row.forwarded.length === 0) return [];
    return { lane: row.lane, storeId: row.storeId ?? "", run: row.run, forwarded: row.forwarded };
  });
}
