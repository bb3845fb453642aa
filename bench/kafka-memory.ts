/** `kafka-memory`: what the gateway takes while no broker runs and everything that an agent brings waits in its journal. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { backlogCopy } from "./backlog.ts";
import { benchBroker, countCommitted, newTopics, queueSection } from "./kafka-broker.ts";
import { type BenchContext, type BenchRow, row } from "./row.ts";
import { forgetPeakOf, makeSite, peakRssOf, rssOf, waitFor } from "./site.ts";

const timeoutMs = 600_000;

export async function kafkaMemoryRow(context: BenchContext): Promise<BenchRow[]> {
  const [readings, waitMs] = context.smoke ? [200_000, 1_000] : [10_000_000, 30_000];
  const brokers = await benchBroker(context);
  const topics = newTopics();
  // The backlog is months old: dated by its readings, the broker would delete it before it is counted.
  const site = await makeSite(
    join(context.folder, "kafka-memory"),
    queueSection(brokers, { ...topics, timestamp: "arrival" }),
  );
  backlogCopy(context, readings, site.agentFolder);
  const gateway = await site.startGateway();
  const pending = async (): Promise<number> => Number((await gateway.status()).pendingReadings);
  let agent: Awaited<ReturnType<typeof site.startAgent>> | undefined;
  try {
    await brokers.kill(1);
    forgetPeakOf(gateway.pid);
    const emptyBytes = rssOf(gateway.pid);
    const startMs = performance.now();
    agent = await site.startAgent();
    await waitFor(async () => (await pending()) === readings, timeoutMs);
    const seconds = (performance.now() - startMs) / 1_000;
    const filledBytes = rssOf(gateway.pid);
    await sleep(waitMs);
    const waitedBytes = rssOf(gateway.pid);
    const mostBytes = peakRssOf(gateway.pid);
    forgetPeakOf(gateway.pid);
    await brokers.start(1);
    await waitFor(async () => (await pending()) === 0, timeoutMs);
    const drainedBytes = peakRssOf(gateway.pid);
    const counted = await countCommitted(brokers.bootstrap, topics.topic, readings);
    if (counted !== readings) throw new Error(`Kafka's consumer counted ${counted} of ${readings} readings`);
    const filling = `${megabytes(emptyBytes)} before, ${megabytes(filledBytes)} after ${seconds.toFixed(0)} s of filling`;
    return [
      row("kafka-memory", "MB", "less", {
        value: mostBytes / 1e6,
        target: 150,
        note:
          `${readings} readings: ${filling}, ${megabytes(waitedBytes)} after ${waitMs / 1_000} s of waiting; ` +
          `at most ${megabytes(drainedBytes)} until Kafka had all, counted by its own consumer`,
      }),
    ];
  } finally {
    await agent?.stop();
    await gateway.stop();
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
