/** One real broker for the rows of Kafka, and Kafka's own tools beside it: what they count and send is the measure. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { globSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type Brokers, startBrokers } from "../demo/kafka/brokers.ts";
import { brokersMissing, javaArgs } from "../demo/kafka/java.ts";
import { loadLibrdkafka } from "../gateway/queue/kafka/client/librdkafka.ts";
import { messageOf } from "../shared/errors.ts";
import type { BenchContext } from "./row.ts";

/** Why the rows of Kafka cannot be measured here; undefined where they can. */
export function kafkaMissing(): string | undefined {
  try {
    loadLibrdkafka();
  } catch (error) {
    return messageOf(error);
  }
  return brokersMissing();
}

let started: Promise<Brokers> | undefined;

/** The broker of this run: started by the first row that asks, stopped at the end of the run. */
export function benchBroker({ atEnd }: BenchContext): Promise<Brokers> {
  started ??= startBrokers(1).then((brokers) => {
    atEnd(() => brokers.stop());
    return brokers;
  });
  return started;
}

/** Where a queue's records go. */
export interface BenchTopics {
  readonly namespace: string;
  readonly topic: string;
  readonly lossTopic: string;
  readonly deadLetterTopic: string;
  readonly positionsTopic: string;
}

/** Topics that no other row has; the queue makes them. */
export function newTopics(): BenchTopics {
  const namespace = `bench-${randomBytes(4).toString("hex")}`;
  const names = {
    topic: "readings",
    lossTopic: "losses",
    deadLetterTopic: "dead-letters",
    positionsTopic: "positions",
  };
  const entries = Object.entries(names).map(([option, name]) => [option, `${namespace}.${name}`]);
  return { namespace, ...Object.fromEntries(entries) } as BenchTopics;
}

/** The queue's section of a gateway's configuration. */
export function queueSection({ bootstrap }: Brokers, more: object): object {
  return { engine: "kafka", kafka: { brokers: [bootstrap], replication: 1, settle: "1s", ...more } };
}

/** The broker's process: the one that was started with its configuration. */
export function pidOf(brokers: Brokers): number {
  const config = join(dirname(brokers.dataFolder(1)), "1.properties");
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return Number(pids.find((pid) => commandOf(pid).split("\0").includes(config)));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}

/** Bytes that the broker keeps of topics whose name begins so, and of what it notes of transactions. */
export function logBytes(brokers: Brokers, namespace: string): number {
  const folder = brokers.dataFolder(1);
  const isCounted = (file: string): boolean => file.startsWith(namespace) || file.startsWith("__transaction_state");
  const files = globSync("*/*.log", { cwd: folder }).filter(isCounted);
  return files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
}

const toolTimeoutMs = 300_000;
/** As long as Kafka's consumer waits for one more record until it says how many there were. */
const noMoreMs = 2_000;

/** Committed records of a topic as Kafka's own consumer counts them: one more than `expected` at the most. */
export async function countCommitted(bootstrap: string, topic: string, expected: number): Promise<number> {
  const line = await lastLine("org.apache.kafka.tools.ConsumerPerformance", [
    ...["--bootstrap-server", bootstrap, "--topic", topic, "--num-records", String(expected + 1)],
    ...["--timeout", String(noMoreMs), "--hide-header", "--command-property", "isolation.level=read_committed"],
  ]);
  // Start, end, megabytes, megabytes a second, records, …
  return Number(line.split(", ")[4]);
}

/**
 * Records a second of kafka-producer-perf-test with the lines of a file as values, in transactions of 200 ms, with the
 * compression, the linger and the largest batch of the queue's own producer.
 */
export async function producerRate(bootstrap: string, topic: string, file: string, records: number): Promise<number> {
  const line = await lastLine("org.apache.kafka.tools.ProducerPerformance", [
    ...["--bootstrap-server", bootstrap, "--topic", topic, "--num-records", String(records), "--throughput", "-1"],
    ...["--payload-file", file, "--transactional-id", `${topic}-reference`, "--transaction-duration-ms", "200"],
    ...["--command-property", "compression.type=lz4", "linger.ms=5", "batch.size=1000000"],
  ]);
  const rate = /, ([\d.]+) records\/sec/.exec(line)?.[1];
  if (rate === undefined) throw new Error(`kafka-producer-perf-test said: ${line}`);
  return Number(rate);
}

/** Runs a tool of Kafka with all of Java's compilers, as users run it: the tests' own Java goes without the last one. */
async function lastLine(tool: string, args: readonly string[]): Promise<string> {
  const java = javaArgs(tool, args, 256).filter((arg) => !arg.startsWith("-XX:TieredStopAtLevel"));
  const { stdout } = await promisify(execFile)("java", java, { maxBuffer: 16 * 1024 * 1024, timeout: toolTimeoutMs });
  return stdout.trimEnd().split("\n").at(-1) ?? "";
}
