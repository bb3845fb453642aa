/** A journal on a database in memory, with everything a test needs to look behind it. */
import { pino } from "pino";
import { type IdentityCopy, identityInMemory } from "../../gateway/journal/identity.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { memoryPlace } from "../../gateway/journal/place.ts";
import type { SeedingQueue } from "../../gateway/journal/reseed.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import { realEnv } from "../../shared/env.ts";
import { type Db, openDatabase } from "../../shared/sqlite.ts";

export const silent = pino({ level: "silent" });

export interface JournalInMemory {
  readonly journal: Journal;
  readonly db: Db;
  readonly copy: IdentityCopy;
  /** The ids that the journal took while it ran. */
  readonly newIds: string[];
}

export async function journalInMemory(
  queue: SeedingQueue,
  db: Db = openDatabase(":memory:", { cacheBytes: 1024 * 1024 }),
  copy: IdentityCopy = identityInMemory(),
): Promise<JournalInMemory> {
  const newIds: string[] = [];
  const journal = await openSqliteJournal({
    place: memoryPlace(db, copy),
    env: realEnv(),
    quotaBytes: 1e9,
    queue,
    log: silent,
    onNewId: (id) => newIds.push(id),
  });
  return { journal, db, copy, newIds };
}
