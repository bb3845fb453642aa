/** Opening a damaged file to read what can be read. Nothing is ever written to it: the original shares its blocks. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import Database from "better-sqlite3";
import { type Db, pageBytes } from "../../shared/sqlite.ts";
import { appendPage, sizedByFile } from "../../shared/wal.ts";
import { requireOwnTables } from "./schema.ts";

/** Place of the free list in SQLite's header (file format, §1.3). */
const freeListOffset = 32;

/**
 * Opens `path` for reading; its log is read along and neither checkpointed nor removed. Where its tables
 * cannot be read as they were made, the first page of a new store takes the place of its own: but for counts in its header it is the
 * same in every store of one format, and one flipped bit in it would otherwise hide all the others.
 * @param freshPath a new store of the same format, checkpointed
 */
export function openDamaged(path: string, freshPath: string, cacheBytes: number): Db {
  try {
    return openReadOnly(path, cacheBytes);
  } catch {
    appendPage(`${path}-wal`, 1, firstPage(freshPath), pagesOf(path));
    return openReadOnly(path, cacheBytes);
  }
}

function openReadOnly(path: string, cacheBytes: number): Db {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    db.pragma("mmap_size=0");
    db.pragma("cell_size_check=ON");
    db.pragma("trusted_schema=OFF");
    db.pragma(`cache_size=-${Math.ceil(cacheBytes / 1024)}`);
    // Rows on other pages are judged one by one.
    requireOwnTables(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function pagesOf(path: string): number {
  const file = openSync(path, "r");
  try {
    return Math.ceil(fstatSync(file).size / pageBytes);
  } finally {
    closeSync(file);
  }
}

function firstPage(path: string): Buffer {
  const page = Buffer.alloc(pageBytes);
  const file = openSync(path, "r");
  try {
    readSync(file, page, 0, pageBytes, 0);
  } finally {
    closeSync(file);
  }
  // Free pages are only passed over by a reader.
  page.fill(0, freeListOffset, freeListOffset + 8);
  return sizedByFile(page);
}
