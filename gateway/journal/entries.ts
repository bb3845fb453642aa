/**
 * The blocks that wait for the forwarder. Heads and bytes stand in two tables, so that a walk over all heads (at open,
 * after a reseed) reads a hundred bytes a block, however large the backlog is.
 */
import { crc32 } from "node:zlib";
import { type Block, codecLoss, lastOf } from "../../shared/block/block.ts";
import { Fault } from "../../shared/errors.ts";
import type { Clock, ClockQuality } from "../../shared/protocol/messages.ts";
import type { Range } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";

export interface Entry {
  readonly id: number;
  readonly laneId: number;
  readonly clock: Clock;
  readonly block: Block;
}

/** What the head of an entry says, without its bytes. */
export interface EntryHead {
  readonly id: number;
  readonly laneId: number;
  readonly range: Range;
  /** False where the head is not the one that was written: nothing in it can be trusted. */
  readonly intact: boolean;
}

export interface Waiting {
  readonly blocks: number;
  readonly readings: number;
  readonly bytes: number;
}

export interface HeadRow {
  id: number;
  lane: number;
  first: number;
  count: number;
  before: string | null;
  after: string | null;
  codec: number;
  raw_bytes: number;
  crc: number;
  repeated: number;
  segment: number;
  offset_us: number;
  quality: string;
  size_bytes: number;
  head_crc: number;
}

export type Entries = ReturnType<typeof openEntries>;

/** Readings of an entry: a loss record has none, however many seqs it names. */
function readingsOf(head: { codec: number; count: number }): number {
  return head.codec === codecLoss ? 0 : head.count;
}

/** Bit flips in a row are not found by SQLite's own checks (1 of 300), hence a CRC over every field of the head. */
function headCrc(row: Omit<HeadRow, "head_crc">): number {
  return crc32(
    `${row.id} ${row.lane} ${row.first} ${row.count} ${row.before} ${row.after} ${row.codec} ${row.raw_bytes} ` +
      `${row.crc} ${row.repeated} ${row.segment} ${row.offset_us} ${row.quality} ${row.size_bytes}`,
  );
}

export function openEntries(db: Db) {
  const insertHead = db.prepare(
    "INSERT INTO entries VALUES (@id, @lane, @first, @count, @before, @after, @codec, @raw_bytes, @crc, @repeated, " +
      "@segment, @offset_us, @quality, @size_bytes, @head_crc)",
  );
  const insertBytes = db.prepare("INSERT INTO payloads (id, bytes) VALUES (?, ?)");
  const deleteHead = db.prepare("DELETE FROM entries WHERE id = ?");
  const deleteBytes = db.prepare("DELETE FROM payloads WHERE id = ?");
  const selectHead = db.prepare("SELECT * FROM entries WHERE id = ?");
  const selectHeads = db.prepare("SELECT * FROM entries ORDER BY id");
  const selectAll = db.prepare(
    "SELECT entries.*, bytes FROM entries LEFT JOIN payloads USING (id) WHERE id > ? ORDER BY id",
  );
  const total = db.prepare(
    `SELECT count(*) AS blocks, coalesce(sum(size_bytes), 0) AS bytes,
            coalesce(sum(CASE codec WHEN ${codecLoss} THEN 0 ELSE count END), 0) AS readings FROM entries`,
  );

  let waiting = total.get() as Waiting;
  let before = waiting;
  // The larger of both tables, so that bytes without a head never get in the way of a new entry.
  const highest = db.prepare(
    "SELECT max(coalesce((SELECT max(id) FROM entries), 0), coalesce((SELECT max(id) FROM payloads), 0))",
  );
  let nextId = (highest.pluck().get() as number) + 1;

  function change(head: { codec: number; count: number; size_bytes: number }, sign: 1 | -1): void {
    waiting = {
      blocks: waiting.blocks + sign,
      readings: waiting.readings + sign * readingsOf(head),
      bytes: waiting.bytes + sign * head.size_bytes,
    };
  }

  return {
    /** Adds one block, or the part of a loss record that fills a gap. */
    insert(laneId: number, block: Block, clock: Clock): void {
      const row = {
        id: nextId++,
        lane: laneId,
        first: block.first,
        count: block.count,
        before: block.before,
        after: block.after,
        codec: block.codec,
        raw_bytes: block.rawBytes,
        crc: block.crc,
        repeated: block.repeated ? 1 : 0,
        segment: clock.segment,
        offset_us: clock.offsetUs,
        quality: clock.quality,
        size_bytes: block.bytes.length,
      };
      insertHead.run({ ...row, head_crc: headCrc(row) });
      insertBytes.run(row.id, block.bytes);
      change(row, 1);
    },

    /** Removes an entry; returns the id of its lane, undefined where there is no such entry. */
    remove(id: number): number | undefined {
      const row = selectHead.get(id) as HeadRow | undefined;
      deleteBytes.run(id);
      if (row === undefined) return undefined;
      deleteHead.run(id);
      change(row, -1);
      return row.lane;
    },

    /**
     * The oldest entries behind `afterId` within both limits, at least one where any is there.
     * @throws Fault `damaged` where a head cannot be trusted
     */
    oldest(bytesMax: number, readingsMax: number, afterId = 0): Entry[] {
      const found: Entry[] = [];
      let bytes = 0;
      let readings = 0;
      for (const row of selectAll.iterate(afterId) as Iterable<HeadRow & { bytes: Uint8Array | null }>) {
        if (!isIntact(row)) throw damagedHead(row.id);
        bytes += row.size_bytes;
        readings += readingsOf(row);
        if (found.length > 0 && (bytes > bytesMax || readings > readingsMax)) break;
        // Missing bytes look like damaged ones: the CRC will not hold, and the entry is cut.
        found.push(toEntry(row, row.bytes ?? new Uint8Array(0)));
      }
      return found;
    },

    *heads(): Iterable<EntryHead> {
      for (const row of selectHeads.iterate() as Iterable<HeadRow>) yield toHead(row);
    },

    head(id: number): EntryHead | undefined {
      const row = selectHead.get(id) as HeadRow | undefined;
      return row === undefined ? undefined : toHead(row);
    },

    waiting: () => waiting,
    /** Marks the start of a transaction, to which `rolledBack` returns. */
    begun: () => void (before = waiting),
    rolledBack: () => void (waiting = before),
  };
}

function toHead(row: HeadRow): EntryHead {
  const range = { first: row.first, last: lastOf(row), before: row.before, after: row.after };
  return { id: row.id, laneId: row.lane, range, intact: isIntact(row) };
}

/** False where the head is not the one that was written. */
export function isIntact(row: HeadRow): boolean {
  return headCrc(row) === row.head_crc;
}

function damagedHead(id: number): Fault {
  return new Fault("damaged", { what: `entry ${id} of the journal is damaged` });
}

/** The entry of a row; what its head says must have been checked. */
export function toEntry(row: HeadRow, bytes: Uint8Array): Entry {
  return {
    id: row.id,
    laneId: row.lane,
    clock: { segment: row.segment, offsetUs: row.offset_us, quality: row.quality as ClockQuality },
    block: {
      first: row.first,
      count: row.count,
      before: row.before,
      after: row.after,
      codec: row.codec,
      rawBytes: row.raw_bytes,
      crc: row.crc,
      repeated: row.repeated === 1,
      bytes,
    },
  };
}
