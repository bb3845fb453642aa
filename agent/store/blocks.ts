/**
 * The block rows of the store. A row is the index entry beside the bytes: it says which seqs the bytes hold, so that a
 * block whose bytes are damaged can still be named (I10). Small bytes lie in the row itself, because a page written per
 * commit is what flash pays for; larger ones lie in `body`, so that walking the rows reads no bytes. There they are in
 * pieces: whole blocks of 2 to 4 kB would leave a third of each page empty.
 */
import type { Block, BlockHead } from "../../shared/block/block.ts";
import type { Chain } from "../../shared/chain.ts";
import { seqMax } from "../../shared/limits.ts";
import type { Span } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";

/** What the agent knows of a block: it waits, a journal of the group has it, or the queue has it. */
export const pending = 0;
export const journaled = 1;
export const forwarded = 2;
export type BlockState = typeof pending | typeof journaled | typeof forwarded;

/** Largest bytes that stay in the row: a row must fit a quarter of a page or SQLite spills it. */
const inlineBytesMax = 400;
/** Size of a piece of larger bytes: four fill a page, and what a page has left over is half of one on average. */
const pieceBytes = 1008;
/** What a row and its share of pages cost beside the bytes (measured: 90 to 140 B). */
export const rowBytes = 128;
/** Rows that one look for small blocks passes over: about a millisecond. */
const lookRows = 4_096;
/** Most rows fetched at once: enough to keep statements cheap, few enough to keep memory flat. */
export const pageRows = 256;

export interface BlockRow extends BlockHead {
  readonly run: number;
  /** Id of the stream in this store. */
  readonly stream: number;
  readonly state: BlockState;
  readonly segment: number;
  /** Bounds of the times of its readings, µs; null where a loss record knows none. */
  readonly minUs: number | null;
  readonly maxUs: number | null;
  readonly sizeBytes: number;
  /** Key in `body` of the first piece, the others follow it; null where the bytes are in the row. */
  readonly body: number | null;
}

/** A block row before it has a place to keep its bytes. */
export type NewRow = Omit<BlockRow, "sizeBytes" | "body">;

export interface BlockTable {
  insert(row: NewRow, bytes: Uint8Array): void;
  /** Gives a block another name; its bytes stay where they are. */
  rename(row: BlockRow, name: { run: number; first: number; before: Chain; after: Chain }): void;
  remove(row: BlockRow): void;
  setState(row: BlockRow, state: BlockState): void;
  /** The bytes as stored, unchecked; undefined where they are missing. */
  bytes(row: BlockRow): Uint8Array | undefined;
  /** The row that holds `seq`. */
  holding(run: number, stream: number, seq: number): BlockRow | undefined;
  /** The last row of a lane. */
  last(run: number, stream: number): BlockRow | undefined;
  /** The rows that touch a span, in order. Rows may be changed while walking. */
  within(run: number, stream: number, span: Span): Iterable<BlockRow>;
  /**
   * Looks from `first` on for a pending block of fewer than `readings`, over some thousand rows that it leaves in SQLite: in
   * a backlog of merged blocks there is nothing to find, and making objects of its rows would cost 5 MB of memory.
   */
  lookForSmall(run: number, stream: number, first: number, readings: number): SmallLook;
  /** The rows that start at `first` or later, at most `limit`. */
  page(run: number, stream: number, first: number, limit: number): BlockRow[];
}

export interface SmallLook {
  /** First seq of the block that was found; null where there was none among the rows looked at. */
  readonly small: number | null;
  /** First seq of the last row looked at; null where there was no row. */
  readonly last: number | null;
  /** True where these were all the rows. */
  readonly isEnd: boolean;
}

/** A row as SQLite gives it. */
type RawRow = Omit<BlockRow, "repeated"> & { repeated: boolean | number };

export function chainBlob(chain: Chain): Buffer | null {
  return chain === null ? null : Buffer.from(chain, "hex");
}

export function blobChain(blob: Buffer | null): Chain {
  return blob === null ? null : blob.toString("hex");
}

/** Completes the row in place: a copy of each would be a third more garbage. */
function fromRaw(raw: RawRow): BlockRow {
  raw.repeated = raw.repeated === 1;
  return raw as BlockRow;
}

const columns = `run, stream, first, count, state, codec, raw_bytes, crc, repeated, segment, min_us, max_us,
  chain_before, chain_after, size_bytes, body`;
/** The columns as rows have them. Chains are read as text: a Buffer for each would be half of the garbage of a walk. */
const rowColumns = `run, stream, first, count, state, codec, raw_bytes AS rawBytes, crc, repeated, segment,
  min_us AS minUs, max_us AS maxUs, nullif(lower(hex(chain_before)), '') AS "before",
  nullif(lower(hex(chain_after)), '') AS "after", size_bytes AS sizeBytes, body`;

export function openBlocks(db: Db): BlockTable {
  const insertRow = db.prepare(`INSERT INTO block(${columns}, bytes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`);
  const insertBody = db.prepare("INSERT INTO body(bytes) VALUES (?)");
  const removeRow = db.prepare("DELETE FROM block WHERE run=? AND stream=? AND first=?");
  const removeBody = db.prepare("DELETE FROM body WHERE id>=? AND id<?");
  const renameRow = db.prepare(
    `UPDATE block SET run=?, first=?, chain_before=?, chain_after=?, state=0, repeated=1
     WHERE run=? AND stream=? AND first=?`,
  );
  const stateOf = db.prepare("UPDATE block SET state=? WHERE run=? AND stream=? AND first=?");
  const inlineBytes = db.prepare("SELECT bytes FROM block WHERE run=? AND stream=? AND first=?").pluck();
  const pieces = db.prepare("SELECT bytes FROM body WHERE id>=? AND id<? ORDER BY id").pluck();
  const atOrBelow = db.prepare(
    `SELECT ${rowColumns} FROM block WHERE run=? AND stream=? AND first<=? ORDER BY first DESC LIMIT 1`,
  );
  const rowsFrom = db.prepare(
    `SELECT ${rowColumns} FROM block WHERE run=? AND stream=? AND first BETWEEN ? AND ? ORDER BY first LIMIT ?`,
  );
  const look = db.prepare(
    `SELECT min(CASE WHEN state=0 AND codec<>0 AND count<? THEN first END) AS small, max(first) AS last, count(*) AS rows
     FROM (SELECT first, state, codec, count FROM block WHERE run=? AND stream=? AND first>=?
           ORDER BY first LIMIT ${lookRows})`,
  );
  const page = (run: number, stream: number, first: number, limit: number, last = seqMax): BlockRow[] =>
    (rowsFrom.all(run, stream, first, last, limit) as RawRow[]).map(fromRaw);
  const holding = (run: number, stream: number, seq: number): BlockRow | undefined => {
    const raw = atOrBelow.get(run, stream, seq) as RawRow | undefined;
    return raw !== undefined && raw.first + raw.count > seq ? fromRaw(raw) : undefined;
  };

  /** SQLite numbers new rows from the highest on, so the pieces of one block are neighbours. */
  function insertPieces(bytes: Uint8Array): number {
    const first = Number(insertBody.run(bytes.subarray(0, pieceBytes)).lastInsertRowid);
    for (let at = pieceBytes; at < bytes.length; at += pieceBytes) {
      insertBody.run(bytes.subarray(at, at + pieceBytes));
    }
    return first;
  }

  function joinPieces(body: number, sizeBytes: number): Uint8Array | undefined {
    const found = pieces.all(body, body + piecesOf(sizeBytes));
    return found.every((piece) => piece instanceof Uint8Array) ? Buffer.concat(found as Uint8Array[]) : undefined;
  }

  return {
    insert(row, bytes) {
      const inline = bytes.length <= inlineBytesMax;
      const body = inline ? null : insertPieces(bytes);
      insertRow.run(
        row.run,
        row.stream,
        row.first,
        row.count,
        row.state,
        row.codec,
        row.rawBytes,
        row.crc,
        row.repeated ? 1 : 0,
        row.segment,
        row.minUs,
        row.maxUs,
        chainBlob(row.before),
        chainBlob(row.after),
        bytes.length,
        body,
        inline ? bytes : null,
      );
    },
    rename(row, name) {
      renameRow.run(
        name.run,
        name.first,
        chainBlob(name.before),
        chainBlob(name.after),
        row.run,
        row.stream,
        row.first,
      );
    },
    remove(row) {
      removeRow.run(row.run, row.stream, row.first);
      if (row.body !== null) removeBody.run(row.body, row.body + piecesOf(row.sizeBytes));
    },
    setState(row, state) {
      stateOf.run(state, row.run, row.stream, row.first);
    },
    bytes(row) {
      if (row.body !== null) return joinPieces(row.body, row.sizeBytes);
      const bytes = inlineBytes.get(row.run, row.stream, row.first);
      return bytes instanceof Uint8Array ? bytes : undefined;
    },
    holding,
    last(run, stream) {
      const raw = atOrBelow.get(run, stream, Number.MAX_SAFE_INTEGER) as RawRow | undefined;
      return raw === undefined ? undefined : fromRaw(raw);
    },
    *within(run, stream, span) {
      let next = holding(run, stream, span.first)?.first ?? span.first;
      for (;;) {
        // An answer to a batch touches some ten rows: a full page for it would be more garbage than all else that it costs.
        const rows = page(run, stream, next, pageRows, span.last);
        for (const row of rows) {
          yield row;
          next = row.first + row.count;
        }
        if (rows.length < pageRows) return;
      }
    },
    lookForSmall(run, stream, first, readings) {
      const found = look.get(readings, run, stream, first) as {
        small: number | null;
        last: number | null;
        rows: number;
      };
      return { small: found.small, last: found.last, isEnd: found.rows < lookRows };
    },
    page,
  };
}

const piecesOf = (sizeBytes: number): number => Math.ceil(sizeBytes / pieceBytes);

/** The block that a row and its bytes make up. */
export function toBlock(row: BlockRow, bytes: Uint8Array): Block {
  const { first, count, before, after, codec, rawBytes, crc, repeated } = row;
  return { first, count, before, after, codec, rawBytes, crc, repeated, bytes };
}
