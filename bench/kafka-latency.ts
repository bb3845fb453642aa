/**
 * `kafka-latency`: from the 204 of an agent until Kafka's own consumer, which reads what is committed, has printed the
 * reading: 1,000 readings a second through real processes. Shorter and longer commit intervals show what they cost.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Brokers } from "../demo/kafka/brokers.ts";
import { javaArgs } from "../demo/kafka/java.ts";
import { benchBroker, logBytes, newTopics, pidOf, queueSection } from "./kafka-broker.ts";
import { type BenchContext, type BenchRow, row } from "./row.ts";
import { cpuSecondsOf, makeSite, waitFor } from "./site.ts";

const readingsPerBody = 10;
const bodyEveryMs = 10;
const defaultInterval = "100ms";
const otherIntervals = ["20ms", "1s"];
const arrivalTimeoutMs = 30_000;

export async function kafkaLatencyRows(context: BenchContext): Promise<BenchRow[]> {
  const usual = await measureLine(context, defaultInterval);
  const rows = [
    row("kafka-latency", "ms", "less", { value: usual.p99Ms, target: 1_000, note: noteOf(usual) }),
    row("kafka-latency-p50", "ms", "less", { value: usual.p50Ms }),
  ];
  for (const interval of context.smoke ? [] : otherIntervals) {
    const found = await measureLine(context, interval);
    rows.push(row(`kafka-latency-${interval}`, "ms", "less", { value: found.p99Ms, note: noteOf(found) }));
  }
  return rows;
}

interface Found {
  readonly interval: string;
  readonly readings: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time as a part of one core. */
  readonly gatewayCores: number;
  readonly brokerCores: number;
  /** What the broker writes for one reading: the record, its share of frames, positions and markers. */
  readonly bytesPerReading: number;
}

function noteOf({ interval, readings, p50Ms, gatewayCores, brokerCores, bytesPerReading }: Found): string {
  const cores = `gateway ${percent(gatewayCores)}, broker ${percent(brokerCores)} of a core`;
  const bytes = `${bytesPerReading.toFixed(0)} B in the broker's logs a reading`;
  return `commits every ${interval}: p50 ${p50Ms.toFixed(0)} ms; ${cores}; ${bytes}; all ${readings} seen once`;
}

const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;

async function measureLine(context: BenchContext, commitInterval: string): Promise<Found> {
  const [warmMs, measuredMs] = context.smoke ? [1_000, 1_000] : [5_000, 30_000];
  const brokers = await benchBroker(context);
  const topics = newTopics();
  const queue = queueSection(brokers, { ...topics, commitInterval });
  const site = await makeSite(join(context.folder, `kafka-latency-${commitInterval}`), queue);
  const gateway = await site.startGateway();
  const agent = await site.startAgent();
  const arrivals = openArrivals(brokers, topics.topic);
  const load = openLoad(site.httpPort);
  try {
    await load.run(warmMs);
    await waitFor(async () => arrivals.seenMs.size === load.acceptedMs.size, arrivalTimeoutMs);
    const taken = (): [number, number, number] => {
      return [cpuSecondsOf(gateway.pid), cpuSecondsOf(pidOf(brokers)), logBytes(brokers, topics.namespace)];
    };
    const [warm, before] = [load.acceptedMs.size, taken()];
    await load.run(measuredMs);
    await waitFor(async () => arrivals.seenMs.size === load.acceptedMs.size, arrivalTimeoutMs);
    const [gatewaySeconds = 0, brokerSeconds = 0, bytes = 0] = taken().map((now, at) => now - (before[at] as number));
    if (arrivals.repeated() > 0) throw new Error(`${arrivals.repeated()} readings were seen twice`);
    const waitsMs = [...load.acceptedMs].slice(warm).map(([id, atMs]) => (arrivals.seenMs.get(id) as number) - atMs);
    waitsMs.sort((a, b) => a - b);
    const at = (share: number): number => waitsMs[Math.floor(waitsMs.length * share)] as number;
    return {
      interval: commitInterval,
      readings: waitsMs.length,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      gatewayCores: (1_000 * gatewaySeconds) / measuredMs,
      brokerCores: (1_000 * brokerSeconds) / measuredMs,
      bytesPerReading: bytes / waitsMs.length,
    };
  } finally {
    await arrivals.close();
    await agent.stop();
    await gateway.stop();
  }
}

/** Readings whose value is their number, in bodies of ten at a steady pace, whatever the answers take. */
function openLoad(port: number) {
  /** When each was accepted, by number, ms of this process's clock. */
  const acceptedMs = new Map<number, number>();
  let next = 0;

  async function send(): Promise<void> {
    const ids = Array.from({ length: readingsPerBody }, () => next++);
    const body = ids.map((id) => `{"name":"plant.temperature.${id % 50}","value":${id}}\n`).join("");
    const headers = { "content-type": "application/x-ndjson" };
    const answer = await fetch(`http://127.0.0.1:${port}/v1/readings`, { method: "POST", headers, body });
    if (answer.status !== 204) throw new Error(`the agent answered ${answer.status}`);
    const nowMs = performance.now();
    for (const id of ids) acceptedMs.set(id, nowMs);
  }

  return {
    acceptedMs,
    async run(forMs: number): Promise<void> {
      const startMs = performance.now();
      let failed: Error | undefined;
      const sending: Promise<void>[] = [];
      for (let dueMs = startMs; dueMs < startMs + forMs; dueMs += bodyEveryMs) {
        await sleep(Math.max(0, dueMs - performance.now()));
        sending.push(send().catch((error: Error) => void (failed ??= error)));
      }
      await Promise.all(sending);
      if (failed !== undefined) throw failed;
    },
  };
}

/** Follows a topic with Kafka's console consumer. */
function openArrivals({ bootstrap }: Brokers, topic: string) {
  const seenMs = new Map<number, number>();
  let repeated = 0;
  const args = javaArgs("org.apache.kafka.tools.consumer.ConsoleConsumer", [
    ...["--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning", "--isolation-level", "read_committed"],
  ]);
  const child: ChildProcessByStdio<null, Readable, null> = spawn("java", args, { stdio: ["ignore", "pipe", "ignore"] });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const id = Number(/"value":(\d+)/.exec(line)?.[1]);
    if (seenMs.has(id)) repeated++;
    else seenMs.set(id, performance.now());
  });
  return {
    seenMs,
    repeated: () => repeated,
    async close() {
      if (child.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}
