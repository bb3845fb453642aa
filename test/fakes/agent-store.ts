/** The agent's store in memory or in a folder, under a manual clock, and readings that can be told apart. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import pino from "pino";
import type { StreamOptions } from "../../agent/store/core.ts";
import { packRecord } from "../../agent/store/epochs.ts";
import { openStoreFile, type StoreFile } from "../../agent/store/file.ts";
import type { Lane } from "../../agent/store/lanes.ts";
import { prepareSchema } from "../../agent/store/schema.ts";
import { openStore, type Store, type StoreOptions } from "../../agent/store/store.ts";
import { codecLoss, lastOf } from "../../shared/block/block.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import type { Chain } from "../../shared/chain.ts";
import type { Env } from "../../shared/env.ts";
import type { Position } from "../../shared/protocol/messages.ts";
import type { Range } from "../../shared/ranges.ts";
import { type Db, openDatabase } from "../../shared/sqlite.ts";
import { createManualEnv, type ManualEnv } from "./manual-env.ts";

export const wallUs = 1_760_000_000_000_000;
export const silent = pino({ level: "silent" });
const cacheBytes = 1024 * 1024;
const quotaBytes = 64 * 1024 * 1024;
export const telemetry: StreamOptions = { name: "telemetry", priority: 1, policy: "drop-oldest" };
export const alarm: StreamOptions = { name: "alarm", priority: 0, policy: "reject" };
export const journalId = "a".repeat(32);

export interface Kept {
  readonly db: Db;
  readonly env: ManualEnv;
  readonly store: Store;
}

/** A store in memory. `db` keeps it over restarts: give that of an earlier one. */
export function keptStore(
  options: Partial<StoreOptions> = {},
  db?: Db,
  env: ManualEnv = createManualEnv(wallUs),
): Kept {
  const own = db ?? openDatabase(":memory:", { cacheBytes });
  if (own.inTransaction) own.exec("ROLLBACK");
  prepareSchema(own, () => env.randomBytes(16));
  const defaults = { streams: [telemetry, alarm], quotaBytes, quarantine: () => {} };
  return { db: own, env, store: openStore(own, env, { ...defaults, ...options }) };
}

export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-store-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface KeptFile {
  readonly file: StoreFile;
  readonly store: Store;
}

/** A store in a folder, as the agent opens it. */
export function storeIn(folder: string, env: Env = createManualEnv(wallUs), fileBytesMax = quotaBytes): KeptFile {
  const file = openStoreFile({ folder, cacheBytes, fileBytesMax, env, log: silent });
  const options = { streams: [telemetry, alarm], quotaBytes: fileBytesMax, quarantine: file.quarantine.keepBlock };
  return { file, store: openStore(file.db, env, options) };
}

/** Appends one reading per number, in one block. */
export function append(store: Store, numbers: readonly number[], stream = "telemetry", text = ""): void {
  const readings = numbers.map((value) => ({ name: `n${text}`, timeUs: wallUs + value, value }));
  store.append([{ stream, columns: gatherColumns(readings) }], []);
}

/** Numbers from `first` on. */
export const upTo = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

/** Bytes that do not compress, the same for the same seed. */
export function noise(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let x = seed + 1;
  for (let i = 0; i < size; i++) {
    x = (x * 48_271) % 0x7fff_ffff;
    bytes[i] = x >>> 8;
  }
  return bytes;
}

/** Appends one reading of 60 kB that does not compress. */
export function appendLarge(store: Store, seed: number, stream = "telemetry"): void {
  const reading = { name: "n", timeUs: wallUs + seed, value: noise(60_000, seed) };
  store.append([{ stream, columns: gatherColumns([reading]) }], []);
}

/** A row of the store with what it holds: the values of its readings, or "lost". */
export interface Seen {
  readonly first: number;
  readonly last: number;
  readonly state: number;
  readonly values: readonly unknown[] | "lost";
}

export function rowsOf(store: Store, lane: Lane): Seen[] {
  const seen: Seen[] = [];
  for (let next = 1; ; ) {
    const rows = store.page(lane, next);
    for (const row of rows) {
      const block = row.codec === codecLoss ? undefined : store.block(lane, row);
      const values = block === undefined ? "lost" : decodeBlock(block.codec, block.rawBytes, block.bytes).values;
      seen.push({ first: row.first, last: lastOf(row), state: row.state, values });
      next = lastOf(row) + 1;
    }
    if (rows.length === 0) return seen;
  }
}

export function theLane(store: Store, name = "telemetry"): Lane {
  const lanes = store.lanes().filter((lane) => lane.name === name);
  const lane = lanes[lanes.length - 1];
  if (lane === undefined) throw new Error(`no lane of ${name}`);
  return lane;
}

/** The chain that the store itself has at the end of a block. */
export function chainAt(store: Store, lane: Lane, seq: number): Chain {
  for (const row of store.page(lane, 1)) if (lastOf(row) === seq) return row.after;
  return null;
}

/** A range with the lane's own chains, as a gateway would know it that took these blocks. */
export function ownRange(store: Store, lane: Lane, first: number, last: number): Range {
  const before = store.page(lane, first).find((row) => row.first === first)?.before ?? null;
  return { first, last, before, after: chainAt(store, lane, last) };
}

export function positionOf(lane: Lane, version: number, journaled: readonly Range[], forwarded: readonly Range[] = []) {
  const { name: stream, epoch } = lane;
  const ids = { nonce: "0".repeat(16), groupId: "b".repeat(32), journalId };
  return { type: "position", ...ids, version, stream, epoch, journaled, forwarded } satisfies Position;
}

export const silentQuarantine = (): void => {};

/** A store with `count` closed epochs of one reading each, as that many restarts leave it; opening it so often is slow. */
export function manyEpochs(count: number): Kept {
  const first = keptStore();
  append(first.store, [0]);
  const record = first.store.openRecord();
  if (record === null) throw new Error("no epoch is open");
  const { db } = first;
  const addEpoch = db.prepare("INSERT INTO epoch SELECT ?, ?, ?, state FROM epoch WHERE run=1");
  for (let run = 2; run <= count; run++) {
    const epoch = run.toString(16).padStart(16, "0");
    addEpoch.run(run, epoch, packRecord({ ...record, epoch, run }));
    for (const table of ["lane", "block"]) {
      db.exec(`CREATE TEMP TABLE copied AS SELECT * FROM ${table} WHERE run=1; UPDATE copied SET run=${run};
        INSERT INTO ${table} SELECT * FROM copied; DROP TABLE copied`);
    }
  }
  return keptStore({}, db, first.env);
}
