/**
 * `node bench/queue.ts`: lines that the file queue commits per second, beside a bare loop that writes the same bytes with
 * the same syncs. Blocks of 50 series with varied values, as users send them.
 */
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileQueue } from "../gateway/queue/file.ts";
import type { Outcome } from "../gateway/queue/queue.ts";
import { realEnv } from "../shared/env.ts";

interface QueueFigures {
  readonly linesPerSecond: number;
  /** Lines per second of the bare loop: same bytes, two syncs a commit. */
  readonly bareLinesPerSecond: number;
  readonly ratio: number;
  /** CPU seconds per second, of all threads. */
  readonly cores: number;
  readonly bytesPerLine: number;
  /** Longest time for which the event loop was held up, ms. */
  readonly stallMsMax: number;
}

const seriesCount = 50;
const blockLines = 1000;
/** The file queue writes rows, never the bytes they came as. */
const noBytes = new Uint8Array();

function block(first: number): Outcome {
  const rows = Array.from({ length: blockLines }, (_, row) => first + row);
  const series = Array.from({ length: seriesCount }, (_, i) => ({
    name: `plant/line-${i}/temperature`,
    unit: "Cel",
    labels: { site: "north" },
    stamped: true,
  }));
  const columns = {
    count: blockLines,
    series,
    rowSeries: Uint16Array.from(rows, (seq) => seq % seriesCount),
    timesUs: Float64Array.from(rows, (seq) => 1_767_323_045_000_000 + seq * 20_013),
    values: rows.map((seq) => Math.round(2000 + 500 * Math.sin(seq / 700) + ((seq * 7919) % 100)) / 100),
  };
  return {
    lane: { agent: "pump-17", stream: "telemetry", epoch: "0123456789abcdef" },
    spans: [{ first, last: first + blockLines - 1 }],
    block: {
      first,
      count: blockLines,
      before: null,
      after: null,
      codec: 1,
      rawBytes: 0,
      crc: 0,
      repeated: false,
      bytes: noBytes,
    },
    body: { kind: "readings", first, columns, clock: { segment: 1, offsetUs: 0, quality: "synced" }, repeated: false },
  };
}

/**
 * Commits `commits` times `blocks` blocks of 1,000 readings and measures.
 * @param folder where the disk to be measured is; the system's folder for temporary files where absent
 */
async function measureQueue(commits: number, blocks: number, folder = tmpdir()): Promise<QueueFigures> {
  const home = await mkdtemp(join(folder, "holdfast-bench-"));
  try {
    const lines = commits * blocks * blockLines;
    const batches = Array.from({ length: commits }, (_, commit) =>
      Array.from({ length: blocks }, (_, i) => block((commit * blocks + i) * blockLines + 1)),
    );
    const retention = { segmentBytesMax: 2 ** 40, segmentAgeMaxMs: 1e9, retainBytes: 2 ** 50, retainAgeMs: 1e12 };
    const queue = openFileQueue({ folder: home, env: realEnv(), ...retention });
    let stallMsMax = 0;
    let seen = performance.now();
    const watch = setInterval(() => {
      stallMsMax = Math.max(stallMsMax, performance.now() - seen);
      seen = performance.now();
    }, 1);
    const [cpu, start] = [process.cpuUsage(), performance.now()];
    for (const batch of batches) await queue.commit(batch, [positionOf(batch)]);
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    clearInterval(watch);
    await queue.close();
    const [bareSeconds, bytes] = bareWrite(home, commits);
    return {
      linesPerSecond: lines / seconds,
      bareLinesPerSecond: lines / bareSeconds,
      ratio: bareSeconds / seconds,
      cores: (user + system) / 1e6 / seconds,
      bytesPerLine: bytes / lines,
      stallMsMax,
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

function positionOf(batch: readonly Outcome[]) {
  const { lane } = batch[0] as Outcome;
  const last = batch.at(-1)?.spans.at(-1)?.last ?? 1;
  return { lane, storeId: "5".repeat(32), run: 1, forwarded: [{ first: 1, last, before: null, after: null }] };
}

/** Writes what the queue wrote once more: one write and sync a commit, and a page and sync in the place of SQLite. */
function bareWrite(home: string, commits: number): [seconds: number, bytes: number] {
  const name = readdirSync(home).find((file) => file.includes(".ndjson")) as string;
  const bytes = readFileSync(join(home, name));
  const [data, page] = [openSync(join(home, "bare"), "w"), openSync(join(home, "bare.page"), "w")];
  const pageBytes = Buffer.alloc(4096);
  const start = performance.now();
  for (let commit = 0; commit < commits; commit++) {
    const [from, to] = [commit, commit + 1].map((n) => Math.floor((bytes.length * n) / commits));
    writeSync(data, bytes, from, (to as number) - (from as number));
    fsyncSync(data);
    writeSync(page, pageBytes, 0, pageBytes.length, 0);
    fsyncSync(page);
  }
  const seconds = (performance.now() - start) / 1000;
  for (const fd of [data, page]) closeSync(fd);
  return [seconds, bytes.length];
}

if (import.meta.main) console.log(await measureQueue(20, 10));
