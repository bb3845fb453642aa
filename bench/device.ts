/** What the agent costs a device: bytes on flash, memory, and the time until it takes readings again. */
import { spawnSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gatherColumns } from "../shared/block/gather.ts";
import type { Reading } from "../shared/reading.ts";
import { backlogCopy, openBenchStore } from "./backlog.ts";
import { sizeRows } from "./codec.ts";
import { blocksOf, makeMeasured, readMeasured } from "./codec-data.ts";
import { type BenchContext, type BenchRow, row } from "./row.ts";
import { makeSite, type Running, rssOf, type Site, waitFor, writtenBy } from "./site.ts";

/** Blocks that one transaction holds: what the intake gathers from 8 clients that send 1,000 readings each. */
const blocksPerCommit = 8;
const rounds = 8;

/** Bytes in the store and bytes written a reading, on the blocks of `wire-regular`. */
export function deviceBytesRows(context: BenchContext): BenchRow[] {
  const measured = context.dataFolder === undefined ? makeMeasured() : readMeasured(context.dataFolder);
  const once = blocksOf(measured, false);
  // Several times over, so that what a store pays once (empty tables, the index of its log) does not count much.
  const blocks = Array.from({ length: context.smoke ? 1 : rounds }, () => once).flat();
  const gathered = appendAll(join(context.folder, "device-gathered"), blocks, blocksPerCommit);
  const written = (perCommit: number): string => {
    const { writtenBytes, readings } = appendAll(join(context.folder, `device-${perCommit}`), blocks, perCommit);
    return `${(writtenBytes / readings).toFixed(1)} with ${perCommit}`;
  };
  const wire = sizeRows(context.dataFolder).find(({ id }) => id === "wire-regular")?.value as number;
  const isReal = context.dataFolder !== undefined;
  return [
    row("device-bytes", "B/reading", "less", {
      value: gathered.storedBytes / gathered.readings,
      reference: wire,
      leastRatio: 1.5,
      ...(isReal ? { target: 1.5 * wire } : {}),
      note: `${gathered.readings} readings in blocks of 1,000, the same ${rounds} times`,
    }),
    row("device-written", "B/reading", "less", {
      value: gathered.writtenBytes / gathered.readings,
      ...(isReal ? { target: 12 } : {}),
      note: `${blocksPerCommit} blocks a commit; ${written(4)}, ${written(1)}`,
    }),
  ];
}

interface Appended {
  readonly readings: number;
  readonly storedBytes: number;
  readonly writtenBytes: number;
}

/** Appends blocks to a new store, some in each commit, and looks at what this process wrote for it. */
function appendAll(folder: string, blocks: readonly Reading[][], perCommit: number): Appended {
  mkdirSync(folder, { recursive: true });
  const { store, file, close } = openBenchStore(folder);
  // The empty tables are written once in the life of a store.
  file.db.pragma("wal_checkpoint(TRUNCATE)");
  const before = writtenBy(process.pid);
  for (let at = 0; at < blocks.length; at += perCommit) {
    const readings = blocks.slice(at, at + perCommit);
    store.append(
      readings.map((block) => ({ stream: "telemetry", columns: gatherColumns(block) })),
      [],
    );
  }
  while (store.maintain());
  file.db.pragma("wal_checkpoint(TRUNCATE)");
  const writtenBytes = writtenBy(process.pid) - before;
  close();
  const readings = blocks.reduce((sum, block) => sum + block.length, 0);
  return { readings, storedBytes: statSync(join(folder, "store.db")).size, writtenBytes };
}

/** Memory of an idle agent; the second start counts, when compiled code lies in the cache. */
export async function idleRow(context: BenchContext): Promise<BenchRow[]> {
  const site = await makeSite(join(context.folder, "idle"));
  await (await site.startAgent()).stop();
  const agent = await site.startAgent();
  await sleep(context.smoke ? 500 : 5_000);
  const value = rssOf(agent.pid) / 1e6;
  await agent.stop();
  return [row("rss-idle", "MB", "less", { value, target: 80, reference: bareNodeRss() / 1e6, leastRatio: 2 })];
}

function bareNodeRss(): number {
  const script = "setTimeout(() => process.stdout.write(String(process.memoryUsage.rss())), 500)";
  return Number(spawnSync(process.execPath, ["-e", script]).stdout.toString());
}

/** Growth of memory with a backlog, sending it included, and the time to the first accepted reading. */
export async function backlogRows(context: BenchContext): Promise<BenchRow[]> {
  const readings = context.smoke ? 200_000 : 10_000_000;
  const empty = await makeSite(join(context.folder, "rss-empty"));
  const full = await makeSite(join(context.folder, "rss-backlog"));
  backlogCopy(context, readings, full.agentFolder);
  const emptyStart = await startTimed(empty);
  const fullStart = await startTimed(full);
  await sleep(1_000);
  const before = rssOf(emptyStart.agent.pid);
  const gateway = await full.startGateway();
  let most = rssOf(fullStart.agent.pid);
  await waitFor(async () => {
    most = Math.max(most, rssOf(fullStart.agent.pid));
    return Number((await fullStart.agent.status()).pendingReadings) === 0;
  }, 300_000);
  await emptyStart.agent.stop();
  await fullStart.agent.stop();
  await gateway.stop();
  return [
    row("rss-backlog", "MB", "less", {
      value: (most - before) / 1e6,
      target: 10,
      reference: before / 1e6,
      leastRatio: 0.15,
      note: "the most seen while it was sent, less an agent with an empty store",
    }),
    row("start-backlog", "s", "less", {
      value: fullStart.seconds,
      target: 0.5,
      reference: emptyStart.seconds,
      leastRatio: 1.2,
    }),
  ];
}

/** Starts an agent; the seconds until its first 204. */
async function startTimed(site: Site): Promise<{ agent: Running; seconds: number }> {
  await (await site.startAgent()).stop();
  const startMs = performance.now();
  const starting = site.startAgent();
  for (;;) {
    try {
      const answer = await fetch(`http://127.0.0.1:${site.httpPort}/v1/readings`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"name":"first","value":1}',
      });
      if (answer.status === 204) break;
    } catch {
      // It does not listen yet.
    }
    await sleep(5);
  }
  const seconds = (performance.now() - startMs) / 1000;
  return { agent: await starting, seconds };
}
