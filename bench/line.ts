/** `drain` and `line`: the whole line with real processes. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { readQueue } from "../gateway/queue/read.ts";
import { backlogCopy } from "./backlog.ts";
import { runLoad } from "./load.ts";
import { bareEchoRate } from "./mqtt.ts";
import { type BenchContext, type BenchRow, row } from "./row.ts";
import { makeSite, waitFor } from "./site.ts";

const drainTimeoutMs = 300_000;

/** A backlog over MQTT on loopback into the journal, while the forwarder works behind it. */
export async function drainRow(context: BenchContext): Promise<BenchRow[]> {
  const readings = context.smoke ? 200_000 : 10_000_000;
  const site = await makeSite(join(context.folder, "drain"));
  backlogCopy(context, readings, site.agentFolder);
  const bytes = statSync(join(site.agentFolder, "store.db")).size;
  const gateway = await site.startGateway();
  // The agent sends as soon as it runs, so the clock starts before it does.
  const startMs = performance.now();
  const agent = await site.startAgent();
  try {
    await waitFor(async () => Number((await agent.status()).pendingReadings) === 0, drainTimeoutMs);
    const seconds = (performance.now() - startMs) / 1000;
    await waitFor(async () => Number((await gateway.status()).pendingReadings) === 0, drainTimeoutMs);
    const { bytesPerSecond } = await bareEchoRate(128 * 1024, context.smoke ? 20 : 400);
    await gateway.stop();
    const queued = await countLines(site.queueFolder);
    if (queued !== readings) throw new Error(`${queued} lines are in the queue`);
    return [
      row("drain", "readings/s", "more", {
        value: readings / seconds,
        target: 500_000,
        reference: (bytesPerSecond * readings) / bytes,
        leastRatio: 0.03,
        note: `the agent's start included; ${queued} lines counted in the queue`,
      }),
    ];
  } finally {
    await agent.stop();
    await gateway.stop();
  }
}

async function countLines(folder: string): Promise<number> {
  let count = 0;
  for await (const { lines } of readQueue({ folder, follow: false })) {
    for (let at = lines.indexOf(10); at !== -1; at = lines.indexOf(10, at + 1)) count++;
  }
  return count;
}

/** HTTP to queue file, all links at once, counted by reading the queue. */
export async function lineRow(context: BenchContext): Promise<BenchRow[]> {
  const seconds = context.smoke ? 3 : 60;
  const site = await makeSite(join(context.folder, "line"));
  const gateway = await site.startGateway();
  const agent = await site.startAgent();
  const startMs = performance.now();
  let accepted = 0;
  try {
    while (performance.now() - startMs < seconds * 1000) {
      const load = { port: site.httpPort, format: "ndjson", readingsPerBody: 1_000, connections: 4 } as const;
      const result = await runLoad({ ...load, bodies: context.smoke ? 200 : 1_500 });
      if (result.refused > 0) throw new Error(`${result.refused} bodies were refused`);
      accepted += result.accepted;
    }
    await waitFor(async () => {
      const [near, far] = [await agent.status(), await gateway.status()];
      return Number(near.pendingReadings) === 0 && Number(far.pendingReadings) === 0;
    }, drainTimeoutMs);
  } finally {
    await agent.stop();
    await gateway.stop();
  }
  const tookSeconds = (performance.now() - startMs) / 1000;
  const queued = await countLines(site.queueFolder);
  if (queued !== accepted) throw new Error(`${accepted} readings were accepted, ${queued} lines are in the queue`);
  return [
    row("line", "readings/s", "more", {
      value: queued / tookSeconds,
      target: 100_000,
      note: `${queued} lines counted in the queue after ${tookSeconds.toFixed(0)} s, load generation included`,
    }),
  ];
}
