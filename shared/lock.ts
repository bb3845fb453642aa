/**
 * One process per folder of state. Node has no flock, so the lock is SQLite's own lock on an empty database: the kernel
 * releases it with the process, however that ends, and no stale lock file can keep a device from starting (I10).
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";
import { codeOf, Fault } from "./errors.ts";

export interface Lock {
  release(): void;
}

/**
 * Takes the lock at `path`.
 * @param what what is being locked, for the message: "the store ./data/store.db"
 * @throws Fault `locked`, naming the process that holds it
 */
export function takeLock(path: string, what: string): Lock {
  const db = new Database(path, { timeout: 0 });
  try {
    db.pragma("journal_mode=DELETE");
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (!codeOf(error).startsWith("SQLITE_BUSY")) throw error;
    throw new Fault("locked", {
      what: `${what} is in use`,
      why: `process ${readHolder(path)} holds it`,
      remedy: "stop that process first; two at once would name different readings alike",
    });
  }
  try {
    try {
      writeFileSync(`${path}.pid`, `${process.pid}\n`);
    } catch {
      // On a full disk the message names no process; the lock holds all the same, and the start must go on (I10).
    }
  } catch {
    // The pid only helps a message; a full disk must not keep the process from starting (I10).
  }
  return {
    release() {
      rmSync(`${path}.pid`, { force: true });
      db.exec("ROLLBACK");
      db.close();
    },
  };
}

function readHolder(path: string): string {
  try {
    return readFileSync(`${path}.pid`, "utf8").trim() || "unknown";
  } catch {
    return "unknown";
  }
}
