/** The tables of one open journal file, and the small table of epoch records. */
import type { EpochRecord } from "../../shared/protocol/messages.ts";
import type { Db } from "../../shared/sqlite.ts";
import { openEntries } from "./entries.ts";
import { openLanes } from "./lanes.ts";
import { openStores } from "./stores.ts";

export type Tables = ReturnType<typeof openTables>;

export function openTables(db: Db) {
  const lanes = openLanes(db);
  const entries = openEntries(db);
  const stores = openStores(db);
  const epochs = openEpochs(db);
  return {
    db,
    lanes,
    entries,
    stores,
    epochs,
    begin(): void {
      db.exec("BEGIN");
      entries.begun();
    },
    commit(): void {
      lanes.flush();
      db.exec("COMMIT");
      lanes.committed();
    },
    /** Undoes the transaction in the file and in memory; also after SQLite has rolled back by itself. */
    rollback(): void {
      lanes.rolledBack();
      stores.rolledBack();
      epochs.rolledBack();
      entries.rolledBack();
      if (db.open && db.inTransaction) db.exec("ROLLBACK");
    },
  };
}

const notedMax = 4096;
/** Records of one agent that are kept; an agent that goes beyond it loses only the notes in its status. */
const recordsPerAgentMax = 8192;

function openEpochs(db: Db) {
  const select = db.prepare("SELECT record FROM epochs WHERE agent = ? AND epoch = ?").pluck();
  const upsert = db.prepare("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)");
  const countOf = db.prepare("SELECT count(*) FROM epochs WHERE agent = ?").pluck();
  const remove = db.prepare(
    "DELETE FROM epochs WHERE agent = @agent AND epoch = @epoch AND NOT EXISTS " +
      "(SELECT 1 FROM lanes WHERE agent = @agent AND epoch = @epoch)",
  );
  const noted = new Map<string, string>();

  return {
    /** Keeps a record; false where it was known already. */
    note(agent: string, record: EpochRecord): boolean {
      const key = `${agent} ${record.epoch}`;
      const text = toText(record);
      if (noted.get(key) === text) return false;
      if (noted.size >= notedMax) noted.clear();
      noted.set(key, text);
      if (select.get(agent, record.epoch) === text) return false;
      if ((countOf.get(agent) as number) < recordsPerAgentMax) upsert.run(agent, record.epoch, text);
      return true;
    },
    find(agent: string, epoch: string): EpochRecord | null {
      const text = select.get(agent, epoch) as string | undefined;
      return text === undefined ? null : fromText(text);
    },
    /** Forgets the record of an epoch of which no lane is left. */
    removeUnused(agent: string, epoch: string): void {
      noted.delete(`${agent} ${epoch}`);
      remove.run({ agent, epoch });
    },
    rolledBack: (): void => noted.clear(),
  };
}

function toText(record: EpochRecord): string {
  const { epoch, storeId, run, predecessor, givenUp } = record;
  const lasts = predecessor && [predecessor.epoch, [...predecessor.lastSeqs]];
  return JSON.stringify([epoch, storeId, run, lasts, givenUp]);
}

function fromText(text: string): EpochRecord {
  const [epoch, storeId, run, lasts, givenUp] = JSON.parse(text) as [
    string,
    string,
    number,
    [string, [string, number][]] | null,
    string[],
  ];
  const predecessor = lasts && { epoch: lasts[0], lastSeqs: new Map(lasts[1]) };
  return { epoch, storeId, run, predecessor, givenUp };
}
