/**
 * `kafka-readings` and `kafka-batches`: a full journal into a real broker on the same cores, by the forwarder and the
 * queue as the gateway puts them together, beside Kafka's own producer sending as many bytes a record.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { startForwarder } from "../gateway/forwarder/forwarder.ts";
import type { Journal } from "../gateway/journal/journal.ts";
import { folderPlace } from "../gateway/journal/place.ts";
import { openSqliteJournal } from "../gateway/journal/sqlite.ts";
import type { KafkaRecord } from "../gateway/queue/kafka/cluster.ts";
import { openKafka } from "../gateway/queue/kafka/open.ts";
import { recordFormat } from "../gateway/queue/kafka/records/record-format.ts";
import type { ValueFormat } from "../gateway/queue/kafka/records/record-rules.ts";
import type { KafkaSettings } from "../gateway/queue/kafka/settings.ts";
import { defaultBatchKey, defaultKey, keysOf, topicNames } from "../gateway/queue/kafka/topics/topic-names.ts";
import type { Outcome } from "../gateway/queue/queue.ts";
import { decodeBlock } from "../shared/block/decode.ts";
import { encodeBlocks } from "../shared/block/encode.ts";
import { gatherColumns } from "../shared/block/gather.ts";
import { realEnv } from "../shared/env.ts";
import { median } from "./append.ts";
import { readingsFrom } from "./backlog.ts";
import { batchesOf, type Encoded } from "./batches.ts";
import { seeded } from "./bodies.ts";
import { benchBroker, countCommitted, newTopics, producerRate } from "./kafka-broker.ts";
import { type BenchContext, type BenchRow, row } from "./row.ts";

const blockReadings = 1_000;
const blocksPerBatch = 50;
/** Batches that a journal takes at once, as an agent has them on their way. */
const batchesAtOnce = 4;
const settleMs = 1_000;
const env = realEnv();
const log = pino({ level: "error" });

export function kafkaReadingsRow(context: BenchContext): Promise<BenchRow[]> {
  const [readings, rounds] = context.smoke ? [200_000, 1] : [2_000_000, 3];
  return drainRows(context, {
    id: "kafka-readings",
    format: "json",
    readings,
    rounds,
    target: 150_000,
    leastRatio: 0.3,
  });
}

export function kafkaBatchesRow(context: BenchContext): Promise<BenchRow[]> {
  const [readings, rounds] = context.smoke ? [1_000_000, 1] : [10_000_000, 3];
  return drainRows(context, {
    id: "kafka-batches",
    format: "batch",
    readings,
    rounds,
    target: 1_500_000,
    leastRatio: 0.02,
  });
}

interface Drain {
  readonly id: string;
  readonly format: ValueFormat;
  readonly readings: number;
  readonly rounds: number;
  readonly target: number;
  readonly leastRatio: number;
}

interface Drained {
  /** Readings a second. */
  readonly rate: number;
  /** Processor time of all threads of this process for one reading, µs. */
  readonly cpuUs: number;
}

async function drainRows(context: BenchContext, drain: Drain): Promise<BenchRow[]> {
  const { id, format, readings, rounds, target, leastRatio } = drain;
  const brokers = await benchBroker(context);
  const { bootstrap } = brokers;
  const encoded = recentBlocks();
  const settings = settingsOf(bootstrap, format);
  const perRecord = format === "batch" ? blockReadings : 1;
  const payloads = join(context.folder, `${id}.payloads`);
  const bytes = writePayloads(payloads, encoded, settings);
  const referenceTopic = `${settings.namespace}.reference`;
  await brokers.createTopic(referenceTopic, { partitions: settings.partitions });
  const drained: Drained[] = [];
  const references: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const folder = join(context.folder, `${id}-${round}`);
    drained.push(await drainOnce(folder, encoded, { ...settings, ...newTopics() }, readings));
    const records = Math.max(readings / perRecord, 50_000);
    references.push(perRecord * (await producerRate(bootstrap, referenceTopic, payloads, records)));
  }
  return [
    row(id, "readings/s", "more", {
      value: median(drained.map(({ rate }) => rate)),
      target,
      reference: median(references),
      leastRatio,
      note:
        `${rounds} times ${readings} readings, counted by Kafka's own consumer; ${bytes} B a record; ` +
        `${median(drained.map(({ cpuUs }) => cpuUs)).toFixed(2)} µs of processor time a reading`,
    }),
  ];
}

/** From a full journal until the last of its readings is committed. */
async function drainOnce(
  folder: string,
  encoded: readonly Encoded[],
  settings: KafkaSettings,
  readings: number,
): Promise<Drained> {
  mkdirSync(folder);
  const signal = new AbortController().signal;
  const queue = await openKafka({ settings, env, log, groupId: null, signal });
  const place = folderPlace(folder, env);
  const journal = await openSqliteJournal({ place, env, quotaBytes: 8e9, queue, log });
  await fill(journal, encoded, readings);
  const [cpu, startMs] = [process.cpuUsage(), performance.now()];
  const { commitIntervalMs } = settings;
  const forwarder = startForwarder({ journal, queue, env, log, commitIntervalMs });
  await forwarder.idle();
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  await forwarder.close();
  await journal.close();
  await queue.close();
  const expected = settings.format === "batch" ? readings / blockReadings : readings;
  const counted = await countCommitted(settings.brokers.join(","), settings.topic, expected);
  if (counted !== expected) throw new Error(`Kafka's consumer counted ${counted} records instead of ${expected}`);
  return { rate: readings / seconds, cpuUs: (user + system) / readings };
}

async function fill(journal: Journal, encoded: readonly Encoded[], readings: number): Promise<void> {
  const count = readings / blockReadings / blocksPerBatch;
  let taking: Promise<unknown>[] = [];
  for (const batch of batchesOf(journal.groupId, encoded, count, blocksPerBatch)) {
    taking.push(journal.take("bench", batch));
    if (taking.length < batchesAtOnce) continue;
    await Promise.all(taking);
    taking = [];
  }
  await Promise.all(taking);
}

/** Blocks of 50 series that were measured just now, and so are not historical. */
function recentBlocks(): Encoded[] {
  const random = seeded(4);
  const made = Array.from({ length: blocksPerBatch }, (_, at) =>
    readingsFrom(at * blockReadings, blockReadings, random),
  );
  const shiftUs = env.wallUs() - (made.at(-1)?.at(-1)?.timeUs as number);
  return made.flatMap((readings) => {
    return encodeBlocks(gatherColumns(readings.map((one) => ({ ...one, timeUs: one.timeUs + shiftUs }))));
  });
}

function settingsOf(bootstrap: string, format: ValueFormat): KafkaSettings {
  return {
    ...newTopics(),
    brokers: [bootstrap],
    clientId: "bench",
    key: format === "batch" ? defaultBatchKey : defaultKey,
    format,
    timestamp: "reading",
    historicalAfterMs: 600_000,
    shards: 1,
    createTopics: true,
    partitions: 6,
    replication: 1,
    settleMs,
    commitIntervalMs: 100,
    confirmCluster: null,
    security: { tls: null, login: null },
    properties: {},
    standby: null,
  };
}

/**
 * Writes what the reference sends: as a line for each record the bytes of its key, its value and its headers. Line feeds
 * in compressed values become other bytes.
 * @returns bytes of a record, on average
 */
function writePayloads(file: string, encoded: readonly Encoded[], settings: KafkaSettings): number {
  const { namespace, topic, lossTopic, deadLetterTopic, format, timestamp, historicalAfterMs } = settings;
  const names = { namespace, lossTopic, deadLetterTopic, topics: topicNames(topic, []), keyOf: keysOf(settings.key) };
  const made = recordFormat({ ...names, format, timestamp, historicalAfterMs, recordBytesMax: 1_000_000 });
  const [batch] = batchesOf("e".repeat(32), encoded, 1, blocksPerBatch);
  const outcomes = (batch?.blocks ?? []).map((block): Outcome => {
    const { first, count, repeated, codec, rawBytes, bytes } = block;
    const columns = decodeBlock(codec, rawBytes, bytes);
    const lane = { agent: "bench", stream: "telemetry", epoch: batch?.record.epoch ?? "" };
    const clock = { segment: 1, offsetUs: 0, quality: "synced" } as const;
    return {
      lane,
      spans: [{ first, last: first + count - 1 }],
      block,
      body: { kind: "readings", first, columns, clock, repeated },
    };
  });
  const nowMs = env.wallUs() / 1_000;
  const lines = [...made.records(outcomes, { shard: 0, t: 1, nowMs, partitionsOf: () => 6 })].map(payloadOf);
  writeFileSync(file, Buffer.concat(lines));
  return Math.round(lines.reduce((sum, line) => sum + line.length - 1, 0) / lines.length);
}

function payloadOf({ key, value, headers }: KafkaRecord): Buffer {
  const parts = [key ?? "", value ?? "", ...headers.flat()].map((part) => Buffer.from(part as Uint8Array));
  const line = Buffer.concat(parts);
  for (let at = line.indexOf(10); at !== -1; at = line.indexOf(10, at + 1)) line[at] = 11;
  return Buffer.concat([line, Buffer.from("\n")]);
}
