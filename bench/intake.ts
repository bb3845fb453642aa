/** `http-1000`, `http-100` and `http-1`: the agent's HTTP input with real processes, every 204 after an fsync. */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { countStored } from "./backlog.ts";
import type { BodyFormat } from "./bodies.ts";
import { bareCost } from "./http.ts";
import { runLoad } from "./load.ts";
import { type BenchContext, type BenchRow, row } from "./row.ts";
import { makeSite, writtenBy } from "./site.ts";

/** Bodies of many readings, in both formats, without a gateway. */
export async function httpRows(context: BenchContext, readingsPerBody: 1_000 | 100): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const bare = await bareCost(readingsPerBody);
  for (const format of ["ndjson", "lines"] as const) {
    const site = await makeSite(join(context.folder, `http-${readingsPerBody}-${format}`));
    const agent = await site.startAgent();
    const bodies = (context.smoke ? 50_000 : 3_000_000) / readingsPerBody;
    const load = { port: site.httpPort, format, readingsPerBody, connections: 4 };
    await runLoad({ ...load, bodies: bodies / 10 });
    const result = await runLoad({ ...load, bodies });
    await agent.stop();
    const stored = countStored(site.agentFolder);
    const expected = result.accepted + (bodies / 10) * readingsPerBody;
    if (result.refused > 0 || stored !== expected) throw new Error(`${stored} of ${expected} readings are stored`);
    rows.push(
      row(nameOf(readingsPerBody, format), "readings/s", "more", {
        value: result.accepted / result.seconds,
        target: readingsPerBody === 1_000 ? 300_000 : 200_000,
        reference: bare.accepted / bare.seconds,
        leastRatio: 0.12,
        note: `p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms; ${stored} counted by decoding`,
      }),
    );
  }
  return rows;
}

const nameOf = (readings: number, format: BodyFormat): string =>
  `http-${readings}${format === "lines" ? "-lines" : ""}`;

/** Single readings from 8 clients: what a small request waits, and what it costs in flash. */
export async function httpOneRows(context: BenchContext): Promise<BenchRow[]> {
  const site = await makeSite(join(context.folder, "http-1"));
  const agent = await site.startAgent();
  const load = { port: site.httpPort, format: "ndjson", readingsPerBody: 1, connections: 8 } as const;
  await runLoad({ ...load, bodies: 200 });
  const before = writtenBy(agent.pid);
  const result = await runLoad({ ...load, bodies: context.smoke ? 400 : 4_000 });
  const written = writtenBy(agent.pid) - before;
  await agent.stop();
  const fsyncMs = bareFsyncMs(context.folder);
  return [
    row("http-1-p50", "ms", "less", { value: result.p50Ms, reference: fsyncMs }),
    row("http-1-p99", "ms", "less", { value: result.p99Ms, reference: fsyncMs }),
    row("http-1-flash", "B/reading", "less", { value: written / result.accepted, reference: 4096 }),
  ];
}

/** The median time of one 4 kB write with fsync. */
function bareFsyncMs(folder: string): number {
  const file = openSync(join(folder, "fsync"), "w");
  const page = Buffer.alloc(4096, 1);
  const times = Array.from({ length: 300 }, () => {
    const startMs = performance.now();
    writeSync(file, page);
    fsyncSync(file);
    return performance.now() - startMs;
  }).sort((a, b) => a - b);
  closeSync(file);
  return times[150] as number;
}
