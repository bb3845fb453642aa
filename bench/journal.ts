/**
 * `node bench/journal.ts`: how fast the journal takes batches, beside bare SQLite writing the same bytes, and how fast the
 * forwarder drains it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { startForwarder } from "../gateway/forwarder/forwarder.ts";
import type { Journal } from "../gateway/journal/journal.ts";
import { folderPlace } from "../gateway/journal/place.ts";
import { openSqliteJournal } from "../gateway/journal/sqlite.ts";
import { laneKey } from "../gateway/queue/lane-key.ts";
import type { LanePosition, Queue } from "../gateway/queue/queue.ts";
import { encodeBlocks } from "../shared/block/encode.ts";
import { gatherColumns } from "../shared/block/gather.ts";
import { realEnv } from "../shared/env.ts";
import type { Batch } from "../shared/protocol/messages.ts";
import { openDatabase } from "../shared/sqlite.ts";
import { batchesOf, type Encoded } from "./batches.ts";

const groupId = "e".repeat(32);
const quotaBytes = 8e9;

/** A queue that keeps only positions: what remains is the cost of journal and forwarder. */
function positionsOnly(): Queue {
  const positions = new Map<string, LanePosition>();
  let committed = 0;
  return {
    queueId: "f".repeat(32),
    groupId,
    progress: () => ({ generation: 0, committed, released: committed }),
    onProgress: () => {},
    positions: () => positions.values(),
    forwarded: (lane) => positions.get(laneKey(lane))?.forwarded ?? [],
    released: (lane) => positions.get(laneKey(lane))?.forwarded ?? [],
    releasedPositions: () => positions.values(),
    floors: () => [],
    async commit(_, moved) {
      for (const position of moved) positions.set(laneKey(position.lane), position);
      committed++;
    },
    forget: async () => {},
    close: async () => {},
  };
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function open(folder: string, queue: Queue): Promise<Journal> {
  const env = realEnv();
  const log = pino({ level: "silent" });
  return await openSqliteJournal({ place: folderPlace(folder, env), env, quotaBytes, queue, log });
}

/** Four batches in flight, as an agent sends them; returns bytes per second. */
async function takeAll(journal: Journal, batches: readonly Batch[]): Promise<number> {
  const bytes = batches.reduce(
    (sum, batch) => sum + batch.blocks.reduce((all, block) => all + block.bytes.length, 0),
    0,
  );
  const start = performance.now();
  for (let at = 0; at < batches.length; at += 4) {
    await Promise.all(batches.slice(at, at + 4).map((batch) => journal.take("bench", batch)));
  }
  return (bytes * 1000) / (performance.now() - start);
}

/** The same bytes as blobs in bare better-sqlite3 with one fsync for the same groups; bytes per second. */
async function bareRate(batches: readonly Batch[]): Promise<number> {
  return await inFolder(async (folder) => {
    const db = openDatabase(join(folder, "bare.db"), { cacheBytes: 16 * 1024 * 1024 });
    db.exec("CREATE TABLE blobs (id INTEGER PRIMARY KEY, bytes BLOB)");
    const insert = db.prepare("INSERT INTO blobs (bytes) VALUES (?)");
    let bytes = 0;
    const start = performance.now();
    for (let at = 0; at < batches.length; at += 4) {
      db.exec("BEGIN");
      for (const { blocks } of batches.slice(at, at + 4)) {
        for (const block of blocks) {
          insert.run(block.bytes);
          bytes += block.bytes.length;
        }
      }
      db.exec("COMMIT");
    }
    const rate = (bytes * 1000) / (performance.now() - start);
    db.close();
    return rate;
  });
}

interface JournalRates {
  readonly takeBytesPerSecond: number;
  readonly bareBytesPerSecond: number;
  /** Of blocks of 1,000 readings, compressed as an agent sends them. */
  readonly takeReadingsPerSecond: number;
  /** The forwarder from a full journal into a queue that costs nothing. */
  readonly forwardReadingsPerSecond: number;
  /** Processor time of the forwarder for one reading, in ns. */
  readonly forwardCpuNs: number;
}

async function measureJournal(): Promise<JournalRates> {
  const large = { count: 1000, codec: 1, rawBytes: 8000, bytes: new Uint8Array(8000).map((_, at) => at * 7) };
  const bulk = [...batchesOf(groupId, [large], 400, 60)];
  const take = await inFolder(async (folder) => {
    const journal = await open(folder, positionsOnly());
    const rate = await takeAll(journal, bulk);
    await journal.close();
    return rate;
  });
  const bare = await bareRate(bulk);

  const encoded = Array.from({ length: 20 }, (_, part) => {
    const rows = Array.from({ length: 1000 }, (_, at) => ({
      name: "level",
      timeUs: 1.7e15 + (part * 1000 + at) * 1e6,
      value: Math.round(2000 + 500 * Math.sin(at / 50 + part)) / 100,
    }));
    return encodeBlocks(gatherColumns(rows))[0] as Encoded;
  });
  const packed = [...batchesOf(groupId, encoded, 20, 100)];
  const readings = 20 * 100 * 1000;
  const rest = await inFolder(async (folder) => {
    const queue = positionsOnly();
    const journal = await open(folder, queue);
    const start = performance.now();
    await takeAll(journal, packed);
    const taken = (readings * 1000) / (performance.now() - start);
    const cpu = process.cpuUsage();
    const begun = performance.now();
    const forwarder = startForwarder({ journal, queue, env: realEnv(), log: pino({ level: "silent" }) });
    await forwarder.idle();
    const forwarded = (readings * 1000) / (performance.now() - begun);
    const { user, system } = process.cpuUsage(cpu);
    await forwarder.close();
    await journal.close();
    return { taken, forwarded, cpuNs: ((user + system) * 1000) / readings };
  });
  return {
    takeBytesPerSecond: take,
    bareBytesPerSecond: bare,
    takeReadingsPerSecond: rest.taken,
    forwardReadingsPerSecond: rest.forwarded,
    forwardCpuNs: rest.cpuNs,
  };
}

if (import.meta.main) console.log(await measureJournal());
