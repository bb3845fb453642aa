/** The tables of journal.db; what they mean is written in FORMAT.md. */
import { Fault } from "../../shared/errors.ts";
import type { Db } from "../../shared/sqlite.ts";
import { ledgerTables } from "./ledger.ts";

/** "HFjn": tells a journal from any other SQLite file. */
const applicationId = 0x48466a6e;
export const formatVersion = 1;

const tables = `
CREATE TABLE identity (
  id INTEGER PRIMARY KEY CHECK (id = 1), journal_id TEXT NOT NULL, generation INTEGER NOT NULL
) STRICT;
CREATE TABLE lanes (
  id INTEGER PRIMARY KEY, agent TEXT NOT NULL, stream TEXT NOT NULL, epoch TEXT NOT NULL,
  store_id TEXT, run INTEGER NOT NULL, version INTEGER NOT NULL, waiting INTEGER NOT NULL,
  detail TEXT NOT NULL, settled INTEGER NOT NULL, reported INTEGER NOT NULL, crc INTEGER NOT NULL,
  UNIQUE (agent, stream, epoch)
) STRICT;
CREATE INDEX lanes_settled ON lanes (agent, stream, id) WHERE settled = 1;
CREATE INDEX lanes_reported ON lanes (id) WHERE reported = 1;
CREATE TABLE epochs (
  agent TEXT NOT NULL, epoch TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (agent, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE stores (
  agent TEXT NOT NULL, store_id TEXT NOT NULL, floor INTEGER NOT NULL, lowest_unsettled_run INTEGER NOT NULL,
  PRIMARY KEY (agent, store_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE entries (
  id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
  before TEXT, after TEXT, codec INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, crc INTEGER NOT NULL,
  repeated INTEGER NOT NULL, segment INTEGER NOT NULL, offset_us INTEGER NOT NULL, quality TEXT NOT NULL,
  size_bytes INTEGER NOT NULL, head_crc INTEGER NOT NULL
) STRICT;
CREATE TABLE payloads (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
`;

/**
 * Makes the tables in an empty file and checks the format of any other.
 * @throws Fault `too-new` for a later format, `damaged` for a file that is no journal
 */
export function prepareSchema(db: Db): void {
  const found = db.pragma("application_id", { simple: true });
  const version = db.pragma("user_version", { simple: true }) as number;
  if (found === 0 && version === 0 && db.pragma("schema_version", { simple: true }) === 0) {
    db.transaction(() => {
      db.exec(tables);
      db.exec(ledgerTables);
      db.pragma(`application_id=${applicationId}`);
      db.pragma(`user_version=${formatVersion}`);
    })();
    return;
  }
  if (found !== applicationId) throw new Fault("damaged", { what: "the file is no journal" });
  if (version > formatVersion) {
    throw new Fault("too-new", {
      what: `the journal has format ${version}`,
      why: `this gateway reads formats up to ${formatVersion}`,
      remedy: "install the gateway version that wrote it, or a later one",
    });
  }
  db.exec(ledgerTables);
}
