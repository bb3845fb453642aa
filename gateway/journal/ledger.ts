/**
 * The ledger of two clusters in the journal's file: two tables beside the lanes, changed in the journal's own
 * transactions. It counts under one journal id only: a journal that may have gone back knows too little.
 */
import { crc32 } from "node:zlib";
import { Fault } from "../../shared/errors.ts";
import { beyond, merged } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";
import { bothSides, type LaneSpans, type Ledger, type LedgerState, type Side } from "../queue/standby/ledger.ts";
import type { Lanes } from "./lanes.ts";
import type { Tables } from "./tables.ts";

/** Made where they are missing, in older files too: an older gateway does not look at them. */
export const ledgerTables = `
CREATE TABLE IF NOT EXISTS ledger (
  id INTEGER PRIMARY KEY CHECK (id = 1), journal_id TEXT NOT NULL, state TEXT NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS reserved (
  side TEXT NOT NULL, agent TEXT NOT NULL, stream TEXT NOT NULL, epoch TEXT NOT NULL, spans TEXT NOT NULL,
  crc INTEGER NOT NULL, PRIMARY KEY (side, agent, stream, epoch)
) STRICT, WITHOUT ROWID;
`;

export interface LedgerOptions {
  readonly tables: () => Tables;
  readonly journalId: () => string;
  /** Runs a change in the next transaction; resolves once that is durable. */
  readonly change: <T>(act: () => T) => Promise<T>;
  /** Reads outside a transaction. */
  readonly reading: <T>(read: () => T) => T;
}

interface ReservedRow {
  agent: string;
  stream: string;
  epoch: string;
  spans: string;
  crc: number;
}

export function openLedger({ tables, journalId, change, reading }: LedgerOptions): Ledger {
  function stateNow(): LedgerState | null {
    const noted = notedIn(tables().db);
    return noted?.journalId === journalId() ? noted.state : null;
  }

  function save(state: LedgerState): void {
    const [id, text] = [journalId(), JSON.stringify(state)];
    tables()
      .db.prepare("INSERT OR REPLACE INTO ledger VALUES (1, ?, ?, ?)")
      .run(id, text, crc32(`${id} ${text}`));
  }

  /** Runs a change of the present era; false where that is another one, or another side is active. */
  function inEra(era: number, act: () => void, side?: Side): Promise<boolean> {
    return change(() => {
      const state = stateNow();
      if (state?.era !== era || (side !== undefined && side !== state.active)) return false;
      act();
      return true;
    });
  }

  return {
    state: () => reading(stateNow),
    begin: (state, reserved) =>
      change(() => {
        const { db } = tables();
        if (stateNow() !== null) return false;
        db.exec("DELETE FROM reserved");
        save(state);
        for (const side of bothSides) {
          for (const { lane, spans } of reserved[side]) {
            put(db, side, { lane, spans: beyond(spans, tables().lanes.find(lane)?.forwarded ?? []) });
          }
        }
        return true;
      }),
    move: (era, next) => inEra(era, () => save({ ...next, era: era + 1 })),
    reserve(era, side, names) {
      const note = (): void => {
        for (const { lane, spans } of names) {
          const known = find(tables().db, side, lane);
          // What is forwarded by now need not be remembered: the row stays as short as what is under way.
          const forwarded = tables().lanes.find(lane)?.forwarded ?? [];
          put(tables().db, side, { lane, spans: beyond(merged([...known, ...spans]), forwarded) });
        }
      };
      return inEra(era, note, side);
    },
    free: (era, side, names) =>
      inEra(era, () => {
        for (const { lane, spans } of names) {
          put(tables().db, side, { lane, spans: beyond(find(tables().db, side, lane), spans) });
        }
      }),
    clusterIds: () => reading(() => notedIn(tables().db)?.state.clusterIds ?? null),
    reserved: (side) => reading(() => reservedIn(tables().db, tables().lanes, side)),
    forwarded: (lane) => reading(() => tables().lanes.find(lane)?.forwarded ?? []),
    end: () => change(() => void tables().db.exec("DELETE FROM reserved; DELETE FROM ledger")),
  };
}

/** What stands in a journal's file, under whichever id. @throws Fault `damaged` */
export function notedIn(db: Db): { journalId: string; state: LedgerState } | undefined {
  const row = db.prepare("SELECT journal_id, state, crc FROM ledger").get() as
    | { journal_id: string; state: string; crc: number }
    | undefined;
  if (row === undefined) return undefined;
  if (crc32(`${row.journal_id} ${row.state}`) !== row.crc) throw damaged();
  return { journalId: row.journal_id, state: JSON.parse(row.state) as LedgerState };
}

/** What a side may have and the journal does not know as forwarded. @throws Fault `damaged` */
export function reservedIn(db: Db, lanes: Pick<Lanes, "find">, side: Side): LaneSpans[] {
  const rows = db.prepare("SELECT agent, stream, epoch, spans, crc FROM reserved WHERE side = ?");
  return (rows.all(side) as ReservedRow[]).flatMap((row) => {
    const { agent, stream, epoch } = row;
    const lane = { agent, stream, epoch };
    const spans = beyond(spansOf(side, row), lanes.find(lane)?.forwarded ?? []);
    return spans.length === 0 ? [] : { lane, spans };
  });
}

/** Forgets what is noted of lanes that the journal forgets: all of them is forwarded. Inside a transaction. */
export function removeReserved(db: Db, { agent, stream, epoch }: LaneSpans["lane"]): void {
  db.prepare("DELETE FROM reserved WHERE agent = ? AND stream = ? AND epoch = ?").run(agent, stream, epoch);
}

function find(db: Db, side: Side, { agent, stream, epoch }: LaneSpans["lane"]): LaneSpans["spans"] {
  const columns = "SELECT agent, stream, epoch, spans, crc FROM reserved";
  const select = db.prepare(`${columns} WHERE side = ? AND agent = ? AND stream = ? AND epoch = ?`);
  const row = select.get(side, agent, stream, epoch) as ReservedRow | undefined;
  return row === undefined ? [] : spansOf(side, row);
}

function put(db: Db, side: Side, { lane: { agent, stream, epoch }, spans }: LaneSpans): void {
  const [key, text] = [[side, agent, stream, epoch], JSON.stringify(spans.map(({ first, last }) => [first, last]))];
  const remove = db.prepare("DELETE FROM reserved WHERE side = ? AND agent = ? AND stream = ? AND epoch = ?");
  if (spans.length === 0) remove.run(...key);
  else db.prepare("INSERT OR REPLACE INTO reserved VALUES (?, ?, ?, ?, ?, ?)").run(...key, text, printOf(key, text));
}

function printOf(key: readonly string[], spans: string): number {
  return crc32(`${key.join(" ")} ${spans}`);
}

function spansOf(side: Side, { agent, stream, epoch, spans, crc }: ReservedRow): LaneSpans["spans"] {
  if (printOf([side, agent, stream, epoch], spans) !== crc) throw damaged();
  return (JSON.parse(spans) as [number, number][]).map(([first, last]) => ({ first, last }));
}

/** The journal then takes a new id, under which nothing is noted. */
function damaged(): Fault {
  return new Fault("damaged", { what: "the ledger of the two clusters is damaged" });
}
