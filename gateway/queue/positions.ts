/**
 * The queue's SQLite file `positions.db`: which bytes of which segment are committed, and with them the positions. One
 * transaction here is the atomic step of a commit (I5): lines that no row counts in are not there.
 *
 * Ranges are JSON text, [[first, last, before, after], …]. Ages are counted in ms of this queue's own running time
 * (`lived`), which no step of the wall clock can touch (I7).
 */
import { type Env, hex } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import type { Ranges } from "../../shared/ranges.ts";
import { checkpointAll, type Db, openDatabase } from "../../shared/sqlite.ts";
import type { Floor, Lane, LanePosition } from "./queue.ts";

const formatVersion = 1;
/** Positions read at once, so that any number of lanes costs flat memory (I8). */
const pageRows = 500;
const cacheBytes = 2 * 1024 * 1024;

const schema = `
  CREATE TABLE queue (queue_id TEXT NOT NULL, group_id TEXT NOT NULL, lived_ms REAL NOT NULL,
    openings INTEGER NOT NULL) STRICT;
  CREATE TABLE segments (segment INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, opened_ms REAL NOT NULL, closed_ms REAL)
    STRICT;
  CREATE TABLE positions (agent TEXT NOT NULL, stream TEXT NOT NULL, epoch TEXT NOT NULL, store_id TEXT NOT NULL,
    run INTEGER NOT NULL, forwarded TEXT NOT NULL, PRIMARY KEY (agent, stream, epoch)) STRICT, WITHOUT ROWID;
  CREATE TABLE floors (agent TEXT NOT NULL, store_id TEXT NOT NULL, run INTEGER NOT NULL,
    PRIMARY KEY (agent, store_id)) STRICT, WITHOUT ROWID;
  INSERT INTO segments VALUES (1, 0, 0, NULL);
  PRAGMA user_version = ${formatVersion};
`;

/** A segment: `bytes` of it are committed; `closedMs` is null for the open one. Ages in ms of the queue's own life. */
export interface SegmentRow {
  readonly segment: number;
  readonly bytes: number;
  readonly openedMs: number;
  readonly closedMs: number | null;
}

export interface Positions {
  readonly queueId: string;
  readonly groupId: string;
  /** How long the queue had been running, in ms, when that was last written. */
  readonly livedMs: number;
  /** All segments, oldest first; the last one is the open one. */
  segments(): SegmentRow[];
  positions(): Iterable<LanePosition>;
  forwarded(lane: Lane): Ranges;
  floors(): Iterable<Floor>;
  /** The atomic step (I5): the open segment now has `bytes` committed bytes, and these are the positions. */
  commit(open: { segment: number; bytes: number }, positions: readonly LanePosition[], livedMs: number): void;
  /** Closes a segment and makes the next one the open one. */
  rollOver(segment: number, livedMs: number): void;
  dropSegment(segment: number): void;
  forget(floor: Floor, lanes: readonly Lane[]): void;
  saveLived(livedMs: number): void;
  close(): void;
}

interface PositionRow extends Lane {
  readonly storeId: string;
  readonly run: number;
  readonly forwarded: string;
}

type Quad = [number, number, string | null, string | null];

/**
 * Opens the file, makes it where it is missing, and checkpoints its WAL: after an unclean stop the page cache may call
 * clean what never reached the disk.
 * @throws Fault `too-new`; SQLite's own errors
 */
export function openPositions(path: string, env: Env): Positions {
  const db = openDatabase(path, { cacheBytes });
  try {
    prepareSchema(db, path, env);
    if (!checkpointAll(db)) {
      throw new Fault("unavailable", { what: `${path} is held by a reader`, retryable: true });
    }
    // A transaction whose sync failed may lie behind the end of the WAL, where a recovery after the next crash would take
    // it for valid (seen under strace, with a reader holding the file open). A write over its first frame breaks the
    // chain of checksums, so that "not committed" stays true (I5). An update that changes nothing would write nothing.
    db.exec("UPDATE queue SET openings = openings + 1");
    return positionsOf(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareSchema(db: Db, path: string, env: Env): void {
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version > formatVersion) {
    throw new Fault("too-new", {
      what: `${path} was written by a newer version of Holdfast`,
      why: `its format is ${version}; this version reads up to ${formatVersion}`,
      remedy: "run the newer version",
    });
  }
  if (version === formatVersion) return;
  db.transaction(() => {
    db.exec(schema);
    const newId = () => hex(env.randomBytes(16));
    db.prepare("INSERT INTO queue VALUES (?, ?, 0, 0)").run(newId(), newId());
  }).immediate();
}

function positionsOf(db: Db): Positions {
  const columns = "agent, stream, epoch, store_id AS storeId, run, forwarded";
  const page = db.prepare(
    `SELECT ${columns} FROM positions WHERE (agent, stream, epoch) > (?, ?, ?) ORDER BY 1, 2, 3 LIMIT ${pageRows}`,
  );
  const one = db.prepare("SELECT forwarded FROM positions WHERE (agent, stream, epoch) = (?, ?, ?)").pluck();
  const put = db.prepare("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?, ?)");
  const remove = db.prepare("DELETE FROM positions WHERE (agent, stream, epoch) = (?, ?, ?)");
  const allFloors = db.prepare("SELECT agent, store_id AS storeId, run FROM floors");
  const raise = db.prepare(
    "INSERT INTO floors VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET run = max(run, excluded.run)",
  );
  const allSegments = db.prepare(
    "SELECT segment, bytes, opened_ms AS openedMs, closed_ms AS closedMs FROM segments ORDER BY segment",
  );
  const grow = db.prepare(
    "UPDATE segments SET opened_ms = iif(bytes = 0, ?, opened_ms), bytes = ? WHERE segment = ? AND closed_ms IS NULL",
  );
  const shut = db.prepare("UPDATE segments SET closed_ms = ? WHERE segment = ? AND closed_ms IS NULL");
  const begin = db.prepare("INSERT INTO segments VALUES (?, 0, ?, NULL)");
  const drop = db.prepare("DELETE FROM segments WHERE segment = ? AND closed_ms IS NOT NULL");
  const live = db.prepare("UPDATE queue SET lived_ms = ?");
  const queue = db.prepare("SELECT queue_id AS queueId, group_id AS groupId, lived_ms AS livedMs FROM queue").get();
  const { queueId, groupId, livedMs } = queue as { queueId: string; groupId: string; livedMs: number };

  return {
    queueId,
    groupId,
    livedMs,
    segments: () => allSegments.all() as SegmentRow[],
    *positions() {
      let after = ["", "", ""];
      for (;;) {
        const rows = page.all(...after) as PositionRow[];
        for (const { forwarded, storeId, run, ...lane } of rows) {
          yield { lane, storeId, run, forwarded: parseRanges(forwarded) };
        }
        const last = rows.at(-1);
        if (last === undefined || rows.length < pageRows) return;
        after = [last.agent, last.stream, last.epoch];
      }
    },
    forwarded({ agent, stream, epoch }) {
      const text = one.get(agent, stream, epoch) as string | undefined;
      return text === undefined ? [] : parseRanges(text);
    },
    floors: () => allFloors.all() as Floor[],
    commit: db.transaction(
      (open: { segment: number; bytes: number }, positions: readonly LanePosition[], now: number) => {
        const { changes } = grow.run(now, open.bytes, open.segment);
        if (changes !== 1) throw new Error(`segment ${open.segment} is not the open one`);
        for (const { lane, storeId, run, forwarded } of positions) {
          put.run(lane.agent, lane.stream, lane.epoch, storeId, run, rangesText(forwarded));
        }
        live.run(now);
      },
    ),
    rollOver: db.transaction((segment: number, now: number) => {
      shut.run(now, segment);
      begin.run(segment + 1, now);
      live.run(now);
    }),
    dropSegment: (segment) => void drop.run(segment),
    forget: db.transaction((floor: Floor, lanes: readonly Lane[]) => {
      raise.run(floor.agent, floor.storeId, floor.run);
      for (const { agent, stream, epoch } of lanes) remove.run(agent, stream, epoch);
    }),
    saveLived: (now) => void live.run(now),
    close: () => void db.close(),
  };
}

function rangesText(ranges: Ranges): string {
  return JSON.stringify(ranges.map(({ first, last, before, after }): Quad => [first, last, before, after]));
}

function parseRanges(text: string): Ranges {
  return (JSON.parse(text) as Quad[]).map(([first, last, before, after]) => ({ first, last, before, after }));
}
