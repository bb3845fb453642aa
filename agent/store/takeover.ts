/**
 * Taking a damaged store over into a new file: every block whose own CRC holds, every name that is still known, and a
 * loss record for each seq that was given out and is nowhere any more (I6, I10). The old file is read only.
 */
import { codecColumns, codecColumnsZstd, codecLoss, crcHolds, lastOf } from "../../shared/block/block.ts";
import { readLoss } from "../../shared/block/loss.ts";
import { varintReader } from "../../shared/block/varint.ts";
import { Fault } from "../../shared/errors.ts";
import { blockReadingsMax } from "../../shared/limits.ts";
import type { Db } from "../../shared/sqlite.ts";
import { type BlockRow, openBlocks } from "./blocks.ts";
import { packRecord, unpackRecord } from "./epochs.ts";
import { nameTheRest } from "./lost-names.ts";

export interface TakenOver {
  readonly blocks: number;
  readonly readings: number;
  readonly damagedBlocks: number;
  readonly lostReadings: number;
}

type Row = Record<string, unknown>;

/** Stands for the id of a store whose head cannot be read. */
const noStore = "0".repeat(32);

/** Tables that are copied row by row, the needed ones first, with their keys. */
const plainTables = {
  stream: ["id"],
  segment: ["id"],
  epoch: ["run"],
  lane: ["run", "stream"],
  edge: ["run", "stream", "last"],
  cursor: ["key"],
  tally: ["reason"],
} as const;
type PlainTable = keyof typeof plainTables;

/**
 * Copies what can be read of `from` into `to`, a fresh store file.
 * @param damaged told of every block that cannot be taken over, to put it aside
 * @throws where not even the tables can be read: then nothing of the file can be used
 */
export function takeOver(from: Db, to: Db, damaged: (row: BlockRow, bytes: Uint8Array | undefined) => void): TakenOver {
  let taken: TakenOver = { blocks: 0, readings: 0, damagedBlocks: 0, lostReadings: 0 };
  to.transaction(() => {
    const storeId = copyMeta(from, to);
    for (const table of Object.keys(plainTables) as PlainTable[]) copyTable(from, to, table, storeId ?? noStore);
    if (storeId === undefined && to.prepare("SELECT 1 FROM epoch").get() === undefined) {
      throw new Error("neither its head nor its epochs can be read");
    }
    // A damaged block still tells which seqs it held, and the newest ones may stand nowhere else.
    const ends = new Map<string, number>();
    taken = copyBlocks(from, to, (row, bytes) => {
      const key = `${row.run}/${row.stream}`;
      if (row.count <= blockReadingsMax) ends.set(key, Math.max(ends.get(key) ?? 0, lastOf(row)));
      damaged(row, bytes);
    });
    taken = { ...taken, lostReadings: nameTheRest(to, ends) };
  })();
  return taken;
}

/** All rows of a table that can be read: from the front up to damage, then from the back down to it. */
function* readable(db: Db, table: string, keys: readonly string[]): Iterable<Row> {
  const nameOf = (row: Row): string => keys.map((column) => String(row[column])).join("/");
  let last: string | undefined;
  for (const order of ["ASC", "DESC"]) {
    try {
      const sql = `SELECT * FROM ${table} ORDER BY ${keys.map((column) => `${column} ${order}`).join(", ")}`;
      for (const row of db.prepare(sql).iterate() as Iterable<Row>) {
        if (order === "ASC") last = nameOf(row);
        else if (nameOf(row) === last) return;
        yield row;
      }
      return;
    } catch (error) {
      if (!String((error as { code?: unknown }).code).startsWith("SQLITE_")) throw error;
      // Damage on this way: what lies behind it is looked for from the other end.
    }
  }
}

/** An epoch whose name is known is as good as whole; its predecessor is only there to notice a lost store. */
function repairEpoch(row: Row, storeId: string): Row | null {
  const { run, epoch, record } = row as { run: number; epoch: string; record: Uint8Array };
  try {
    const known = unpackRecord(record);
    if (known.epoch === epoch && known.run === run) return row;
  } catch (error) {
    if (!(error instanceof Fault) && !(error instanceof TypeError)) throw error;
  }
  if (typeof epoch !== "string" || !/^[0-9a-f]{16}$/.test(epoch)) return null;
  return { ...row, record: packRecord({ epoch, storeId, run, predecessor: null, givenUp: [] }) };
}

/** A position that cannot be read is unknown: the next POSITION tells it again. */
function repairLane(row: Row): Row {
  const isWhole = ["journaled", "forwarded", "verified", "gone"].every((column) => isSpans(row[column]));
  if (isWhole) return row;
  return { ...row, journaled: "[]", forwarded: "[]", verified: "[]", gone: "[]", journal_id: null, version: 0 };
}

function isSpans(json: unknown): boolean {
  try {
    const spans = JSON.parse(String(json)) as { first: number; last: number }[];
    return spans.every(({ first, last }) => Number.isSafeInteger(first) && Number.isSafeInteger(last));
  } catch {
    return false;
  }
}

/**
 * The names of streams and epochs stand in their table and once more in its index, so that one damaged page does not
 * make blocks nameless. Both statements are answered from the index alone. An epoch that is found only there counts as
 * live; one without blocks has nothing to send and is left out.
 */
const namesInIndex: Partial<Record<PlainTable, string>> = {
  stream: "SELECT id, name FROM stream ORDER BY name",
  epoch: "SELECT run, epoch, x'' AS record, 0 AS state FROM epoch ORDER BY epoch",
};

function* fromIndex(from: Db, table: PlainTable): Iterable<Row> {
  const sql = namesInIndex[table];
  if (sql === undefined) return;
  const hasBlocks = from.prepare("SELECT 1 FROM block WHERE run=? LIMIT 1");
  try {
    for (const row of from.prepare(sql).all() as Row[]) {
      if (table === "stream" || hasBlocks.get(row.run) !== undefined) yield row;
    }
  } catch (error) {
    if (!String((error as { code?: unknown }).code).startsWith("SQLITE_")) throw error;
    // What the table told has been copied before.
  }
}

function* rowsOf(from: Db, table: PlainTable): Iterable<Row> {
  yield* readable(from, table, plainTables[table]);
  yield* fromIndex(from, table);
}

function copyTable(from: Db, to: Db, table: PlainTable, storeId: string): void {
  for (const found of rowsOf(from, table)) {
    const row = table === "epoch" ? repairEpoch(found, storeId) : table === "lane" ? repairLane(found) : found;
    if (row === null) continue;
    const columns = Object.keys(row);
    const sql = `INSERT OR IGNORE INTO ${table}(${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
    try {
      to.prepare(sql).run(...Object.values(row));
    } catch (error) {
      // A row that a flipped bit made impossible (a text where a number belongs) is as good as unreadable.
      if (!String((error as { code?: unknown }).code).startsWith("SQLITE_CONSTRAINT")) throw error;
    }
  }
}

/**
 * The group and the floor go along; the store id does not, since it names a file and this is a new one.
 * @returns the id of the old file; undefined where it cannot be read
 */
function copyMeta(from: Db, to: Db): string | undefined {
  let storeId: string | undefined;
  for (const row of readable(from, "meta", ["key"])) {
    if (row.key === "group_id" || row.key === "floor") {
      to.prepare("INSERT OR REPLACE INTO meta(key, value) VALUES (?,?)").run(row.key, row.value);
    }
    if (row.key === "store_id" && /^[0-9a-f]{32}$/.test(String(row.value))) storeId = String(row.value);
  }
  return storeId;
}

function copyBlocks(from: Db, to: Db, damaged: (row: BlockRow, bytes: Uint8Array | undefined) => void): TakenOver {
  const source = openBlocks(from);
  const target = openBlocks(to);
  const isNamed = to.prepare("SELECT 1 FROM epoch, stream WHERE run=? AND id=?");
  let blocks = 0;
  let readings = 0;
  let damagedBlocks = 0;
  for (const raw of readable(from, "block", ["run", "stream", "first"])) {
    const found = readRow(source, raw);
    if (found === undefined) continue;
    const bytes = readBody(source, found);
    const row = withCount(found, bytes);
    const overlaps = (): boolean =>
      target.holding(row.run, row.stream, lastOf(row)) !== undefined ||
      target.holding(row.run, row.stream, row.first) !== undefined;
    if (
      bytes === undefined ||
      !holds(row, bytes) ||
      isNamed.get(row.run, row.stream) === undefined ||
      overlaps() ||
      !isInserted(target, row, bytes)
    ) {
      damagedBlocks++;
      damaged(row, bytes);
      continue;
    }
    blocks++;
    readings += row.codec === codecLoss ? 0 : row.count;
  }
  return { blocks, readings, damagedBlocks, lostReadings: 0 };
}

/** True where the bytes are whole and of the kind that the row says: one flipped bit makes a loss record of readings. */
function holds(row: BlockRow, bytes: Uint8Array): boolean {
  if (!crcHolds({ crc: row.crc, bytes })) return false;
  if (row.codec !== codecLoss) return row.codec === codecColumns || row.codec === codecColumnsZstd;
  try {
    return readLoss(bytes).reason.length > 0;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

/** The row with the count that its bytes tell where their CRC holds: the row itself has none. */
function withCount(row: BlockRow, bytes: Uint8Array | undefined): BlockRow {
  if (bytes === undefined || row.codec === codecLoss || !crcHolds({ crc: row.crc, bytes })) return row;
  return { ...row, count: varintReader(bytes).next() };
}

function isInserted(target: ReturnType<typeof openBlocks>, row: BlockRow, bytes: Uint8Array): boolean {
  try {
    target.insert(row, bytes);
    return true;
  } catch (error) {
    if (!String((error as { code?: unknown }).code).startsWith("SQLITE_CONSTRAINT")) throw error;
    return false;
  }
}

function readRow(source: ReturnType<typeof openBlocks>, raw: Row): BlockRow | undefined {
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
