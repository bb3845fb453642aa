/**
 * The epochs of a store: one per run of a process that appended something, and one per epoch that had to be given up.
 * An epoch is live until all of it is known to be forwarded.
 */
import { decodeCbor, encodeCbor, integer } from "../../shared/cbor.ts";
import type { EpochRecord } from "../../shared/protocol/messages.ts";
import type { Db } from "../../shared/sqlite.ts";

export const live = 0;
export const settled = 1;
export const givenUp = 2;
export type EpochState = typeof live | typeof settled | typeof givenUp;

export interface EpochRow {
  readonly run: number;
  readonly state: EpochState;
  readonly record: EpochRecord;
}

export interface EpochTable {
  insert(record: EpochRecord): void;
  setState(run: number, state: EpochState): void;
  get(run: number): EpochRow | undefined;
  /** The latest epoch of the store, whatever its state. */
  latest(): EpochRow | undefined;
  /** The live epochs behind run `after` in order, at most `limit`. */
  live(after: number, limit: number): EpochRow[];
  /** The oldest epoch that is not live and whose blocks may still be there. */
  oldestDone(): EpochRow | undefined;
  remove(run: number): void;
}

interface RawEpoch {
  run: number;
  state: number;
  record: Buffer;
}

export function packRecord(record: EpochRecord): Uint8Array {
  const { epoch, storeId, run, predecessor, givenUp: abandoned } = record;
  return encodeCbor([
    epoch,
    storeId,
    integer(run),
    predecessor && [predecessor.epoch, [...predecessor.lastSeqs].map(([stream, last]) => [stream, integer(last)])],
    abandoned,
  ]);
}

export function unpackRecord(bytes: Uint8Array): EpochRecord {
  const [epoch, storeId, run, predecessor, abandoned] = decodeCbor(bytes) as [
    string,
    string,
    number,
    [string, [string, number][]] | null,
    string[],
  ];
  return {
    epoch,
    storeId,
    run,
    predecessor: predecessor && { epoch: predecessor[0], lastSeqs: new Map(predecessor[1]) },
    givenUp: abandoned,
  };
}

export function openEpochs(db: Db): EpochTable {
  const insert = db.prepare("INSERT INTO epoch(run, epoch, record, state) VALUES (?,?,?,0)");
  const state = db.prepare("UPDATE epoch SET state=? WHERE run=?");
  const select = "SELECT run, state, record FROM epoch";
  const byRun = db.prepare(`${select} WHERE run=?`);
  const newest = db.prepare(`${select} ORDER BY run DESC LIMIT 1`);
  const liveOnes = db.prepare(`${select} WHERE state=0 AND run>? ORDER BY run LIMIT ?`);
  const done = db.prepare(`${select} WHERE state<>0 ORDER BY run LIMIT 1`);
  const drop = db.prepare("DELETE FROM epoch WHERE run=?");
  const read = (raw: unknown): EpochRow | undefined => {
    if (raw === undefined) return undefined;
    const { run, state: rawState, record } = raw as RawEpoch;
    return { run, state: rawState as EpochState, record: unpackRecord(record) };
  };
  return {
    insert: (record) => void insert.run(record.run, record.epoch, packRecord(record)),
    setState: (run, to) => void state.run(to, run),
    get: (run) => read(byRun.get(run)),
    latest: () => read(newest.get()),
    live: (after, limit) => liveOnes.all(after, limit).map((raw) => read(raw) as EpochRow),
    oldestDone: () => read(done.get()),
    remove: (run) => void drop.run(run),
  };
}
