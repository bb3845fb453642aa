/** Databases in memory: a crash drops the process and keeps the handle, a backup is an image of the whole file. */
import Database from "better-sqlite3";
import { type Db, setPragmas } from "../../shared/sqlite.ts";

const cacheBytes = 1024 * 1024;

/** Opens an image that `serialize` made, or an empty file. */
export function openImage(image: Buffer | null): Db {
  // A copy: SQLite works in the buffer that it is given.
  const db = new Database(image === null ? ":memory:" : Buffer.from(image));
  setPragmas(db, { cacheBytes });
  return db;
}

/** Lets the file grow by so many pages more and no further; null takes the limit away. */
export function limitPages(db: Db, pages: number | null): void {
  const now = db.pragma("page_count", { simple: true }) as number;
  db.pragma(`max_page_count=${pages === null ? 2 ** 30 : now + pages}`);
}
