/**
 * The journal's identity and its second copy. The id names a journal as agents know it; the generation counts its
 * opens and closes. Both stand in the file and, again, beside it: a file that was restored from a backup has an older
 * generation than the copy, and that is how a journal that went back is told (PROTOCOL.md §8).
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Env } from "../../shared/env.ts";
import { hex } from "../../shared/env.ts";
import type { Db } from "../../shared/sqlite.ts";

export interface Identity {
  /** 128 random bits, 32 hexadecimal digits. */
  readonly journalId: string;
  readonly generation: number;
}

/** Where the second copy is kept. */
export interface IdentityCopy {
  /** Null where there is none or it cannot be read. */
  read(): Identity | null;
  /** Durable when it returns. */
  write(identity: Identity): void;
}

/** The second copy as a small file. */
export function identityFile(path: string): IdentityCopy {
  return {
    read() {
      try {
        const [journalId, generation] = readFileSync(path, "utf8").split(/\s/);
        if (!/^[0-9a-f]{32}$/.test(journalId ?? "") || !/^\d{1,15}$/.test(generation ?? "")) return null;
        return { journalId: journalId as string, generation: Number(generation) };
      } catch {
        return null;
      }
    },
    write(identity) {
      const draft = `${path}.new`;
      const file = openSync(draft, "w", 0o600);
      try {
        writeSync(file, `${identity.journalId} ${identity.generation}\n`);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      crashPoint("journal id drafted");
      renameSync(draft, path);
      syncFolder(dirname(path));
    },
  };
}

/** Makes renames in a folder durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** A second copy in memory: for a journal in memory, whose crash is simulated. */
export function identityInMemory(): IdentityCopy {
  let kept: Identity | null = null;
  return { read: () => kept, write: (identity) => void (kept = identity) };
}

export function newIdentity(env: Env): Identity {
  return { journalId: hex(env.randomBytes(16)), generation: 1 };
}

export function readIdentity(db: Db): Identity | null {
  const row = db.prepare("SELECT journal_id, generation FROM identity").get() as
    | { journal_id: string; generation: number }
    | undefined;
  return row === undefined ? null : { journalId: row.journal_id, generation: row.generation };
}

export function saveIdentity(db: Db, identity: Identity): void {
  db.prepare("INSERT OR REPLACE INTO identity (id, journal_id, generation) VALUES (1, ?, ?)").run(
    identity.journalId,
    identity.generation,
  );
}

/**
 * True where file and copy do not belong together. The file is committed before the copy is written, so a file that is
 * one generation ahead is only a stop between the two.
 */
export function identitiesDisagree(file: Identity, copy: Identity | null): boolean {
  return (
    copy === null ||
    copy.journalId !== file.journalId ||
    file.generation < copy.generation ||
    file.generation > copy.generation + 1
  );
}
