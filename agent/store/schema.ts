/** The tables of store.db. FORMAT.md tells what each column means and why it is there. */

import Database from "better-sqlite3";
import { hex } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import type { Db } from "../../shared/sqlite.ts";

/** Version of the store's format: a newer file is refused, an older one migrated. */
const storeFormat = 1;

const tables = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE stream(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE segment(
  id INTEGER PRIMARY KEY, boot TEXT NOT NULL, mono_ms REAL NOT NULL, wall_us INTEGER NOT NULL,
  offset_us INTEGER NOT NULL, quality TEXT NOT NULL
) STRICT;
CREATE TABLE epoch(
  run INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, record BLOB NOT NULL, state INTEGER NOT NULL
) STRICT;
CREATE INDEX live_epoch ON epoch(run) WHERE state = 0;
CREATE TABLE lane(
  run INTEGER NOT NULL, stream INTEGER NOT NULL, last INTEGER NOT NULL,
  journaled TEXT NOT NULL, forwarded TEXT NOT NULL, verified TEXT NOT NULL, gone TEXT NOT NULL,
  journal_id TEXT, version INTEGER NOT NULL,
  tally TEXT NOT NULL, tallied_to INTEGER NOT NULL,
  PRIMARY KEY(run, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE block(
  run INTEGER NOT NULL, stream INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
  state INTEGER NOT NULL, codec INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, crc INTEGER NOT NULL,
  repeated INTEGER NOT NULL, segment INTEGER NOT NULL, min_us INTEGER, max_us INTEGER,
  chain_before BLOB, chain_after BLOB, size_bytes INTEGER NOT NULL, body INTEGER, bytes BLOB,
  PRIMARY KEY(run, stream, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE edge(
  run INTEGER NOT NULL, stream INTEGER NOT NULL, last INTEGER NOT NULL, first INTEGER NOT NULL,
  chain_after BLOB, state INTEGER NOT NULL,
  PRIMARY KEY(run, stream, last)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursor(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tally(reason TEXT PRIMARY KEY, readings INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** Makes the tables of a new file, or checks the format of an existing one. Returns true where the file was new. */
export function prepareSchema(db: Db, newStoreId: () => Uint8Array): boolean {
  const isNew = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() === undefined;
  if (isNew) {
    db.transaction(() => {
      db.exec(tables);
      const put = db.prepare("INSERT INTO meta(key, value) VALUES (?, ?)");
      put.run("format", storeFormat);
      put.run("store_id", hex(newStoreId()));
    })();
    return true;
  }
  const format = db.prepare("SELECT value FROM meta WHERE key = 'format'").pluck().get();
  const storeId = db.prepare("SELECT value FROM meta WHERE key = 'store_id'").pluck().get();
  // A flipped bit here is damage like any other, and must not pass for a newer version that is refused for ever (I10).
  if (typeof format !== "number" || typeof storeId !== "string") throw new Error("the store's head is damaged");
  if (format !== storeFormat) {
    throw new Fault("too-new", {
      what: `the store has format ${String(format)}`,
      why: `this version of Holdfast reads format ${storeFormat}`,
      remedy: "install the version that wrote the store, or a newer one; the data is untouched",
    });
  }
  requireOwnTables(db);
  return false;
}

/**
 * One flipped bit in the text of a table gives a column another name, or another condition to an index, and the file
 * still opens (I10).
 * @throws where the tables are not those of this format, to the letter
 */
export function requireOwnTables(db: Db): void {
  if (describe(db) !== ownTables()) throw new Error("the names of the store's tables are damaged");
}

/** What SQLite makes of the tables of this format; asked once in a process. */
let own: string | undefined;

function ownTables(): string {
  if (own !== undefined) return own;
  const fresh = new Database(":memory:");
  try {
    fresh.exec(tables);
    own = describe(fresh);
  } finally {
    fresh.close();
  }
  return own;
}

function describe(db: Db): string {
  return JSON.stringify(
    db.prepare("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid").all(),
  );
}
