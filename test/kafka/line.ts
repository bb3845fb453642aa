/**
 * The whole line on real brokers: a gateway and two agents as real processes, load over HTTP that remembers what it was
 * told, and the audit with Kafka's own consumer.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentStatus } from "../../agent/status.ts";
import type { Brokers } from "../../demo/kafka/brokers.ts";
import { command, gatewayScript, type Line, layLine, type Program } from "../../demo/line.ts";
import { openMemory, type Remembered } from "../../demo/memory.ts";
import { tailOf } from "../../demo/processes.ts";
import { type Producers, startProducers } from "../../demo/producers.ts";
import { until } from "../../demo/waiting.ts";
import type { GatewayStatus } from "../../gateway/status.ts";
import { messageOf } from "../../shared/errors.ts";
import { type QueueTopics, topicsIn } from "../fakes/kafka-queue.ts";
import { auditTopics, type KafkaAudit } from "./audit.ts";

export interface KafkaLineOptions {
  readonly folder: string;
  readonly brokers: Brokers;
  /** Tells lines on one cluster apart; two with the same one share a queue. */
  readonly namespace: string;
  readonly agentNames?: readonly [string, ...string[]];
  /** Where lines share a queue, all producers' memories are one. */
  readonly memory?: Remembered;
  /** More of `queue.kafka`, and of an agent's configuration, as they stand in the files. */
  readonly kafka?: object;
  readonly agent?: object;
}

export interface KafkaLine {
  readonly topics: QueueTopics;
  readonly memory: Remembered;
  readonly gateway: Program<GatewayStatus>;
  readonly gatewayState: string;
  readonly agents: readonly Program<AgentStatus>[];
  start(): Promise<void>;
  /** Starts producers at each agent; they go on until they are stopped. */
  produce(load?: Load): Pick<Producers, "stop">;
  /** Waits until `readings` more were acknowledged. */
  accepted(readings: number): Promise<void>;
  /** Waits until the queue took something that came after this call. */
  forwarded(readings?: number, withinMs?: number): Promise<void>;
  /** Waits until neither agents nor gateway hold anything back, and the journal has let go of all. */
  drain(withinMs?: number): Promise<void>;
  /** Stops all in peace, in the order in which data walks. */
  stop(): Promise<void>;
  /** Ends whatever still runs, by force. */
  end(): Promise<void>;
  audit(): Promise<KafkaAudit>;
  /** Resident memory of the gateway now, bytes. */
  rssBytes(): number;
  gatewayLog(): string;
}

export interface Load {
  /** Pause between two requests of one of the four producers of an agent, on average. */
  readonly pauseMs?: number;
  readonly bodyReadingsMax?: number;
}

/** Producers write times of their own, which lie months back: by default Kafka would delete them at its next look. */
const kept = { "retention.ms": "-1" };
const partitions = 3;
const settle = "2s";

/** Makes the queue's topics; those that are there stay. */
export async function makeTopics(brokers: Brokers, topics: QueueTopics): Promise<void> {
  const inSync = { "min.insync.replicas": String(Math.min(2, brokers.nodes)) };
  const data = { partitions, configs: { ...kept, ...inSync } };
  for (const topic of [topics.readings, topics.losses, topics.deadLetters]) await brokers.createTopic(topic, data);
  await brokers.createTopic(topics.positions, { configs: { "cleanup.policy": "compact", ...inSync } });
}

/** Lays everything out, and starts nothing. The topics are made where `memory` is not shared. */
export async function layKafkaLine(options: KafkaLineOptions): Promise<KafkaLine> {
  const { brokers, namespace, agentNames = ["pump-17", "pump-18"], memory = openMemory() } = options;
  const topics = topicsIn(namespace);
  if (options.memory === undefined) await makeTopics(brokers, topics);
  const [first, ...others] = await layPrograms(options, topics, agentNames);
  const { gateway } = first;
  const agents = [first, ...others].map((line) => line.agent);
  const producers: Pick<Producers, "stop">[] = [];

  const isDrained = async (): Promise<boolean> => {
    const all = await Promise.all([gateway, ...agents].map((one) => one.status()));
    const { settlingReadings } = await gateway.status();
    return settlingReadings === 0 && all.every(({ pendingReadings }) => pendingReadings === 0);
  };

  /** Adds to a time-out what everybody says of it. */
  async function explain(cause: unknown): Promise<never> {
    const told = await Promise.allSettled([gateway, ...agents].map((one) => one.status()));
    const texts = told.map((one) => (one.status === "fulfilled" ? JSON.stringify(one.value) : messageOf(one.reason)));
    throw new Error([messageOf(cause), ...texts, tailOf(gateway.logFile, 8)].join("\n"), { cause });
  }

  return {
    topics,
    memory,
    gateway,
    gatewayState: first.gatewayState,
    agents,
    async start() {
      await Promise.all([gateway, ...agents].map((one) => one.start()));
    },
    produce({ pauseMs = 60, bodyReadingsMax = 20 } = {}) {
      const started = [first, ...others].map((line, at) =>
        startProducers({
          port: line.ports.http,
          agent: agentNames[at] as string,
          stream: "telemetry",
          memory,
          // Ids go on where all earlier ones ended.
          first: 1 + nextIds() * 10_000_000,
          ...{ bodyReadingsMax, pauseMs },
        }),
      );
      const all = { stop: async () => void (await Promise.all(started.map((one) => one.stop()))) };
      producers.push(all);
      return all;
    },
    async accepted(readings) {
      const goal = memory.acknowledged.size + readings;
      await until(`${readings} more readings are acknowledged`, () => memory.acknowledged.size >= goal, 30_000, 10);
    },
    async forwarded(readings = 1, withinMs = 60_000) {
      let goal: number | undefined;
      const isReached = async (): Promise<boolean> => {
        const { forwardedReadings } = await gateway.status();
        goal ??= forwardedReadings + readings;
        return forwardedReadings >= goal;
      };
      await until(`${readings} more readings are forwarded`, isReached, withinMs).catch(explain);
    },
    async drain(withinMs = 90_000) {
      await until("nothing waits", isDrained, withinMs, 200).catch(explain);
    },
    async stop() {
      for (const one of [...agents, gateway]) {
        assert.deepEqual(await one.stop(), { code: 0, signal: null }, `${one.configFile} stops in peace`);
      }
    },
    async end() {
      await Promise.all(producers.map((one) => one.stop()));
      await Promise.all([gateway, ...agents].filter((one) => one.wasStarted()).map((one) => one.kill()));
    },
    audit: () => auditTopics(brokers.bootstrap, [topics.readings, topics.losses, topics.deadLetters], memory),
    rssBytes() {
      const status = readFileSync(`/proc/${gateway.process().pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
    },
    gatewayLog: () => readFileSync(gateway.logFile, "utf8"),
  };
}

let idsBegun = 0;
const nextIds = (): number => idsBegun++;

/** A line for each agent; all agents talk to the gateway of the first. */
async function layPrograms(
  { folder, brokers, kafka, agent }: KafkaLineOptions,
  topics: QueueTopics,
  agentNames: readonly [string, ...string[]],
): Promise<[Line, ...Line[]]> {
  const { namespace, readings, losses, deadLetters, positions } = topics;
  const names = { topic: readings, lossTopic: losses, deadLetterTopic: deadLetters, positionsTopic: positions };
  const fixed = { createTopics: false, partitions, replication: brokers.nodes, settle };
  const queue = {
    engine: "kafka",
    kafka: { brokers: brokers.bootstrap.split(","), namespace, ...names, ...fixed, ...kafka },
  };
  const lay = (name: string, gatewayPort?: number): Promise<Line> => {
    const own = join(folder, name);
    mkdirSync(own);
    return layLine({
      folder: own,
      agentName: name,
      gateway: () => ({ queue }),
      agent: ({ mqtt }, passwordFile) => ({
        gateway: { urls: [`mqtt://127.0.0.1:${gatewayPort ?? mqtt}`], passwordFile },
        streams: [{ name: "telemetry", policy: "reject" }],
        ...agent,
      }),
    });
  };
  const [firstName, ...otherNames] = agentNames;
  const first = await lay(firstName);
  const others = await Promise.all(
    otherNames.map(async (name) => {
      const line = await lay(name, first.ports.mqtt);
      const { stdout } = await command(gatewayScript, ["agent", "add", name, "--config", first.gateway.configFile]);
      writeFileSync(join(line.folder, "agent.password"), stdout);
      return line;
    }),
  );
  return [first, ...others];
}
