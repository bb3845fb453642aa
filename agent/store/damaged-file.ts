/** Opening a damaged file to read what can be read. Nothing is ever written to it: the original shares its blocks. */
import Database from "better-sqlite3";
import type { Db } from "../../shared/sqlite.ts";

/** Opens `path` for reading; its log is read along and neither checkpointed nor removed. */
export function openDamaged(path: string, cacheBytes: number): Db {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    db.pragma("mmap_size=0");
    db.pragma("cell_size_check=ON");
    db.pragma("trusted_schema=OFF");
    db.pragma(`cache_size=-${Math.ceil(cacheBytes / 1024)}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
