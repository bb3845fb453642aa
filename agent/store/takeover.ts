/**
 * Taking a damaged store over into a new file: every block whose own CRC holds, every name that is still known, and a
 * loss record for each seq that was given out and is nowhere any more (I6, I10). The old file is read only.
 */
import { crcHolds, lastOf } from "../../shared/block/block.ts";
import { lossBlock } from "../../shared/block/loss.ts";
import { gaps, type Ranges, type Span } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";
import { type BlockRow, openBlocks, pending } from "./blocks.ts";
import { openLanes } from "./lanes.ts";

export interface TakenOver {
  readonly blocks: number;
  readonly readings: number;
  readonly damagedBlocks: number;
  readonly lostReadings: number;
}

/** Tables that are copied row by row as they are, the needed ones first. */
const plainTables = ["stream", "segment", "epoch", "lane", "edge", "cursor", "tally"] as const;

/**
 * Copies what can be read of `from` into `to`, a fresh store file.
 * @param damaged told of every block whose bytes do not hold, to put them aside
 * @throws where not even the names of streams and epochs can be read: then nothing of the file can be used
 */
export function takeOver(from: Db, to: Db, damaged: (row: BlockRow, bytes: Uint8Array | undefined) => void): TakenOver {
  let taken: TakenOver = { blocks: 0, readings: 0, damagedBlocks: 0, lostReadings: 0 };
  to.transaction(() => {
    for (const table of plainTables) copyTable(from, to, table);
    copyMeta(from, to);
    taken = copyBlocks(from, to, damaged);
    taken = { ...taken, lostReadings: nameTheRest(to) };
  })();
  return taken;
}

/** All rows of a table that can be read: from the front up to damage, then from the back down to it. */
function* readable(db: Db, table: string, key: string): Iterable<Record<string, unknown>> {
  const seen = new Set<string>();
  const keys = key.split(", ");
  for (const order of ["ASC", "DESC"]) {
    try {
      const sql = `SELECT * FROM ${table} ORDER BY ${keys.map((column) => `${column} ${order}`).join(", ")}`;
      for (const row of db.prepare(sql).iterate() as Iterable<Record<string, unknown>>) {
        const name = keys.map((column) => String(row[column])).join("/");
        if (order === "DESC" && seen.has(name)) break;
        if (order === "ASC") seen.add(name);
        yield row;
      }
      return;
    } catch (error) {
      if (!String((error as { code?: unknown }).code).startsWith("SQLITE_")) throw error;
      // Damage on this way: what lies behind it is looked for from the other end.
    }
  }
}

const keysOf = {
  stream: "id",
  segment: "id",
  epoch: "run",
  lane: "run, stream",
  edge: "run, stream, last",
  cursor: "key",
  tally: "reason",
} as const;

function copyTable(from: Db, to: Db, table: (typeof plainTables)[number]): void {
  for (const row of readable(from, table, keysOf[table])) {
    const columns = Object.keys(row);
    const sql = `INSERT OR IGNORE INTO ${table}(${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
    try {
      to.prepare(sql).run(...Object.values(row));
    } catch {
      // A row that a flipped bit made impossible (a text where a number belongs) is as good as unreadable.
    }
  }
}

/** The group and the floor go along; the store id does not, since this is a new file (DESIGN: "store id"). */
function copyMeta(from: Db, to: Db): void {
  for (const row of readable(from, "meta", "key")) {
    if (row.key === "group_id" || row.key === "floor") {
      to.prepare("INSERT OR REPLACE INTO meta(key, value) VALUES (?,?)").run(row.key, row.value);
    }
  }
}

function copyBlocks(from: Db, to: Db, damaged: (row: BlockRow, bytes: Uint8Array | undefined) => void): TakenOver {
  const source = openBlocks(from);
  const target = openBlocks(to);
  let blocks = 0;
  let readings = 0;
  let damagedBlocks = 0;
  for (const raw of readable(from, "block", "run, stream, first")) {
    const row = readRow(source, raw);
    if (row === undefined) continue;
    const bytes = readBody(source, row);
    if (bytes === undefined || !crcHolds({ crc: row.crc, bytes })) {
      damagedBlocks++;
      damaged(row, bytes);
      continue;
    }
    try {
      target.insert(row, bytes);
    } catch {
      damagedBlocks++;
      damaged(row, bytes);
      continue;
    }
    blocks++;
    readings += row.codec === 0 ? 0 : row.count;
  }
  return { blocks, readings, damagedBlocks, lostReadings: 0 };
}

function readRow(source: ReturnType<typeof openBlocks>, raw: Record<string, unknown>): BlockRow | undefined {
  try {
    const row = source.holding(raw.run as number, raw.stream as number, raw.first as number);
    return row !== undefined && row.count > 0 && Number.isSafeInteger(row.first) ? row : undefined;
  } catch {
    return undefined;
  }
}

function readBody(source: ReturnType<typeof openBlocks>, row: BlockRow): Uint8Array | undefined {
  try {
    return source.bytes(row);
  } catch {
    return undefined;
  }
}

/** Names every seq that was given out, is not known to be journaled, and is in no row and no edge any more. */
function nameTheRest(to: Db): number {
  const blocks = openBlocks(to);
  const lanes = openLanes(to, blocks);
  const rows = to.prepare("SELECT run, stream, last, journaled, forwarded FROM lane").all() as {
    run: number;
    stream: number;
    last: number;
    journaled: string;
    forwarded: string;
  }[];
  const edges = to.prepare("SELECT first, last FROM edge WHERE run=? AND stream=? AND state<>3 ORDER BY last");
  const epochOf = to.prepare("SELECT epoch.epoch, stream.name FROM epoch, stream WHERE run=? AND id=?");
  let lost = 0;
  for (const { run, stream, last, journaled, forwarded } of rows) {
    const names = epochOf.get(run, stream) as { epoch: string; name: string } | undefined;
    if (names === undefined) continue;
    to.prepare("UPDATE lane SET tally=?, tallied_to=0 WHERE run=? AND stream=?").run(emptyTally, run, stream);
    const held: Span[] = [...blocks.within(run, stream, { first: 1, last: Number.MAX_SAFE_INTEGER })].map((row) => ({
      first: row.first,
      last: lastOf(row),
    }));
    const left = edges.all(run, stream) as Span[];
    const known = [...held, ...left, ...(JSON.parse(journaled) as Ranges), ...(JSON.parse(forwarded) as Ranges)];
    const end = known.reduce((highest, span) => Math.max(highest, span.last), last);
    for (const gap of gaps(sorted(known), 1, end)) {
      const place = { first: gap.first, count: gap.last - gap.first + 1, before: null, after: null, repeated: false };
      const { bytes, ...block } = lossBlock({ reason: "corrupt", fromUs: null, toUs: null }, place);
      blocks.insert({ ...block, run, stream, state: pending, segment: 0, minUs: null, maxUs: null }, bytes);
      lost += place.count;
    }
    const lane = lanes.load(run, stream, names.name, names.epoch);
    lanes.save(lane);
  }
  if (lost > 0) {
    to.prepare(
      `INSERT INTO tally(reason, readings) VALUES ('corrupt', ?)
       ON CONFLICT(reason) DO UPDATE SET readings = readings + excluded.readings`,
    ).run(lost);
  }
  return lost;
}

const emptyTally = JSON.stringify([0, 1, 2].map(() => ({ blocks: 0, readings: 0, bytes: 0 })));

function sorted(spans: readonly Span[]): Span[] {
  return [...spans].sort((a, b) => a.first - b.first);
}
