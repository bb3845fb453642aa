import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { identityInMemory } from "../../gateway/journal/identity.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { folderPlace, memoryPlace, type Place } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import { realEnv } from "../../shared/env.ts";
import { openDatabase } from "../../shared/sqlite.ts";
import { type JournalSetup, journalContract } from "./journal.ts";
import { journalReportsContract } from "./journal-reports.ts";

const env = realEnv();
const log = pino({ level: "silent" });

/** In memory a crash drops the journal and keeps the handle, as in the simulator. */
function inMemory(): JournalSetup {
  const db = openDatabase(":memory:", { cacheBytes: 1024 * 1024 });
  const copy = identityInMemory();
  return {
    open: (queue, quotaBytes = 1e9) => openSqliteJournal({ place: memoryPlace(db, copy), env, quotaBytes, queue, log }),
    crash: () => {},
    async end() {
      db.close();
    },
  };
}

/** On disk a crash closes the file behind the journal's back: nothing of what it would do at the end happens. */
function onDisk(): JournalSetup {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-journal-"));
  let release: () => void = () => {};
  return {
    open(queue, quotaBytes = 1e9): Promise<Journal> {
      const place = folderPlace(folder, env);
      const watched: Place = {
        ...place,
        open() {
          const db = place.open();
          release = () => {
            db.close();
            place.release();
            release = () => {};
          };
          return db;
        },
      };
      return openSqliteJournal({ place: watched, env, quotaBytes, queue, log });
    },
    crash: () => release(),
    async end() {
      release();
      rmSync(folder, { recursive: true });
    },
  };
}

journalContract("SQLite in memory", inMemory);
journalReportsContract("SQLite in memory", inMemory);
journalContract("SQLite on disk", onDisk);
journalReportsContract("SQLite on disk", onDisk);
