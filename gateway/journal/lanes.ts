/**
 * What the journal knows of each lane: rows in SQLite, the recent ones in memory. Rows are immutable values; a changed
 * one is kept in memory until the transaction ends, so that many batches of one lane cost one write.
 */
import { crc32 } from "node:zlib";
import { Fault } from "../../shared/errors.ts";
import { beyond } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";
import { laneKey } from "../queue/lane-key.ts";
import type { Lane } from "../queue/queue.ts";
import { isFull, type LaneNotes, noNotes } from "./lane-notes.ts";

export interface LaneRow extends LaneNotes {
  readonly id: number;
  readonly lane: Lane;
  /** Null where only an ASK or a successor's record has told of the lane so far. */
  readonly storeId: string | null;
  readonly run: number;
  /** 0 where nothing was ever journaled: such a row only keeps notes. */
  readonly version: number;
  /** Entries of this lane that wait for the forwarder. */
  readonly waiting: number;
}

/** The rows kept in memory. One lane costs up to 50 kB at 256 ranges of both kinds, so this is at most 50 MB. */
const cachedMax = 1024;
/** Changed rows that may wait for the end of the transaction. */
const changedMax = 256;

export interface StoredRow {
  id: number;
  agent: string;
  stream: string;
  epoch: string;
  store_id: string | null;
  run: number;
  version: number;
  waiting: number;
  detail: string;
  crc: number;
}

export type Lanes = ReturnType<typeof openLanes>;

/** True where the epoch is full and forwarded, so that it may be forgotten. */
export function isSettled(row: LaneRow): boolean {
  return row.version > 0 && row.waiting === 0 && isFull(row);
}

function rowCrc(row: Omit<StoredRow, "crc">): number {
  return crc32(
    `${row.id} ${row.agent} ${row.stream} ${row.epoch} ${row.store_id} ${row.run} ${row.version} ${row.waiting} ${row.detail}`,
  );
}

export function openLanes(db: Db) {
  const columns = "id, agent, stream, epoch, store_id, run, version, waiting, detail, crc";
  const selectLane = db.prepare(`SELECT ${columns} FROM lanes WHERE agent = ? AND stream = ? AND epoch = ?`);
  const selectId = db.prepare(`SELECT ${columns} FROM lanes WHERE id = ?`);
  const selectIds = db.prepare("SELECT id FROM lanes ORDER BY id").pluck();
  const selectAgent = db.prepare("SELECT id FROM lanes WHERE agent = ? ORDER BY id").pluck();
  const selectReported = db.prepare("SELECT id FROM lanes WHERE reported = 1 ORDER BY id").pluck();
  const selectCrowded = db.prepare(
    "SELECT agent, stream FROM lanes WHERE settled = 1 GROUP BY agent, stream HAVING count(*) > ?",
  );
  const selectSettled = db
    .prepare("SELECT id FROM lanes WHERE settled = 1 AND agent = ? AND stream = ? ORDER BY id")
    .pluck();
  const countAgent = db.prepare("SELECT count(*) FROM lanes WHERE agent = ?").pluck();
  const upsert = db.prepare(
    `INSERT OR REPLACE INTO lanes (${columns}, settled, reported)
     VALUES (@id, @agent, @stream, @epoch, @store_id, @run, @version, @waiting, @detail, @crc, @settled, @reported)`,
  );
  const deleteId = db.prepare("DELETE FROM lanes WHERE id = ?");
  const maxId = db.prepare("SELECT coalesce(max(id), 0) FROM lanes").pluck();

  const cached = new Map<number, LaneRow>();
  const idByKey = new Map<string, number>();
  /** Rows that the transaction has yet to write, and all that it has touched: after a roll-back none may stay. */
  const changed = new Set<number>();
  const touched = new Set<number>();
  let nextId = (maxId.get() as number) + 1;

  function keep(row: LaneRow): LaneRow {
    cached.delete(row.id);
    cached.set(row.id, row);
    idByKey.set(laneKey(row.lane), row.id);
    for (const [id, old] of cached) {
      if (cached.size <= cachedMax) break;
      if (changed.has(id)) continue;
      cached.delete(id);
      idByKey.delete(laneKey(old.lane));
    }
    return row;
  }

  function uncache(id: number): void {
    const row = cached.get(id);
    if (row !== undefined) idByKey.delete(laneKey(row.lane));
    cached.delete(id);
  }

  function load(stored: StoredRow | undefined): LaneRow | undefined {
    if (stored === undefined) return undefined;
    return keep(toRow(stored));
  }

  function byId(id: number): LaneRow | undefined {
    const row = cached.get(id);
    return row === undefined ? load(selectId.get(id) as StoredRow | undefined) : keep(row);
  }

  function find(lane: Lane): LaneRow | undefined {
    const id = idByKey.get(laneKey(lane));
    return id === undefined
      ? load(selectLane.get(lane.agent, lane.stream, lane.epoch) as StoredRow | undefined)
      : byId(id);
  }

  function flush(): void {
    for (const id of changed) upsert.run(toStored(cached.get(id) as LaneRow));
    changed.clear();
  }

  function save(row: LaneRow): LaneRow {
    changed.add(row.id);
    touched.add(row.id);
    keep(row);
    if (changed.size > changedMax) flush();
    return row;
  }

  const rows = (ids: unknown[]): LaneRow[] => (ids as number[]).flatMap((id) => byId(id) ?? []);

  return {
    find,
    byId,
    save,
    /** Writes the changed rows; called before each commit. */
    flush,
    committed: (): void => touched.clear(),
    /** A new row without a position. */
    create(lane: Lane, storeId: string | null, run: number): LaneRow {
      return save({ ...blank, id: nextId++, lane, storeId, run });
    },
    remove(id: number): void {
      uncache(id);
      changed.delete(id);
      deleteId.run(id);
    },
    /** Drops what a rolled-back transaction left in memory. */
    rolledBack(): void {
      for (const id of touched) uncache(id);
      touched.clear();
      changed.clear();
    },
    /** Ids of all lanes, those of damaged rows included. */
    ids(): number[] {
      flush();
      return selectIds.all() as number[];
    },
    ofAgent(agent: string): LaneRow[] {
      flush();
      return rows(selectAgent.all(agent));
    },
    countOf(agent: string): number {
      flush();
      return countAgent.get(agent) as number;
    },
    reported(): LaneRow[] {
      return rows(selectReported.all());
    },
    /** The (agent, stream) pairs with more than `kept` settled lanes. */
    crowded(kept: number): { agent: string; stream: string }[] {
      return selectCrowded.all(kept) as { agent: string; stream: string }[];
    },
    /** The settled lanes of an (agent, stream), oldest first. */
    settled(agent: string, stream: string): LaneRow[] {
      return rows(selectSettled.all(agent, stream));
    },
  };
}

const blank = { ...noNotes, version: 0, waiting: 0 } as const;

/**
 * A row as it was stored.
 * @throws Fault `damaged` where it is not the one that was written
 */
export function toRow(stored: StoredRow): LaneRow {
  if (rowCrc(stored) !== stored.crc) {
    throw new Fault("damaged", { what: `lane ${stored.id} of the journal is damaged` });
  }
  const { id, agent, stream, epoch, store_id, run, version, waiting } = stored;
  const detail = JSON.parse(stored.detail) as Omit<LaneRow, "id" | "lane" | "storeId" | "run" | "version" | "waiting">;
  return { id, lane: { agent, stream, epoch }, storeId: store_id, run, version, waiting, ...detail };
}

function toStored(row: LaneRow): Record<string, unknown> {
  const { id, lane, storeId, run, version, waiting, ...rest } = row;
  // A report ends when its seqs are filled, by whatever came.
  const detail = { ...rest, gone: beyond(row.gone, row.journaled), lost: beyond(row.lost, row.journaled) };
  const stored = {
    id,
    agent: lane.agent,
    stream: lane.stream,
    epoch: lane.epoch,
    store_id: storeId,
    run,
    version,
    waiting,
    detail: JSON.stringify(detail),
  };
  const reported = detail.gone.length + detail.lost.length > 0 ? 1 : 0;
  return { ...stored, crc: rowCrc(stored), settled: isSettled(row) ? 1 : 0, reported };
}
