/** Stores filled as a device fills them, and counted by decoding them. */
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { openBlocks } from "../agent/store/blocks.ts";
import { openStoreFile, type StoreFile } from "../agent/store/file.ts";
import { openStore, type Store } from "../agent/store/store.ts";
import { decodeBlock } from "../shared/block/decode.ts";
import { gatherColumns } from "../shared/block/gather.ts";
import { type Env, realEnv } from "../shared/env.ts";
import type { Reading } from "../shared/reading.ts";
import { seeded } from "./bodies.ts";
import type { BenchContext } from "./row.ts";

export const streams = [{ name: "telemetry", priority: 5, policy: "drop-oldest" }] as const;
const quotaBytes = 8e9;
const startUs = 1_780_000_000_000_000;

export interface OpenedStore {
  readonly store: Store;
  readonly file: StoreFile;
  close(): void;
}

export function openBenchStore(folder: string, env: Env = realEnv()): OpenedStore {
  const log = pino({ level: "silent" });
  const file = openStoreFile({ folder, cacheBytes: 512 * 1024, fileBytesMax: quotaBytes, env, log });
  const store = openStore(file.db, env, { streams, quotaBytes, quarantine: () => undefined });
  return { store, file, close: () => file.close() };
}

/** Plain objects of 50 series with values that vary, numbered from `from`. */
export function readingsFrom(from: number, count: number, random: () => number): Reading[] {
  return Array.from({ length: count }, (_, i) => {
    const index = from + i;
    const series = index % 50;
    return {
      name: `plant.temperature.${series}`,
      unit: "Cel",
      timeUs: startUs + Math.floor(index / 50) * 100_000,
      value: Math.round((20 + series + 5 * Math.sin(index / 5_000) + random()) * 1000) / 1000,
    };
  });
}

/** Fills a store folder with a backlog, 1,000 readings a commit. */
function fillBacklog(folder: string, readings: number): void {
  const { store, close } = openBenchStore(folder);
  const random = seeded(2);
  for (let at = 0; at < readings; at += 1000) {
    store.append([{ stream: "telemetry", columns: gatherColumns(readingsFrom(at, 1000, random)) }], []);
  }
  close();
}

/** Readings in a store, counted by decoding every block. */
export function countStored(folder: string): number {
  const { file, close } = openBenchStore(folder);
  const blocks = openBlocks(file.db);
  const lanes = file.db.prepare("SELECT DISTINCT run, stream FROM block").all() as { run: number; stream: number }[];
  let readings = 0;
  for (const { run, stream } of lanes) {
    for (const row of blocks.within(run, stream, { first: 1, last: Number.MAX_SAFE_INTEGER })) {
      readings += decodeBlock(row.codec, row.rawBytes, blocks.bytes(row) as Uint8Array).count;
    }
  }
  close();
  return readings;
}

const made = new Map<string, string>();

/** A copy of a store with a backlog; the original is filled once a run. */
export function backlogCopy(context: BenchContext, readings: number, target: string): void {
  const key = String(readings);
  let original = made.get(key);
  if (original === undefined) {
    original = join(context.folder, `backlog-${key}`);
    context.say(`filling a store with ${readings.toLocaleString("en")} readings`);
    fillBacklog(original, readings);
    made.set(key, original);
  }
  for (const name of ["store.db", "store.db-wal"].filter((file) => existsSync(join(original, file)))) {
    cpSync(join(original, name), join(target, name), { force: true, errorOnExist: false, recursive: true });
  }
}
