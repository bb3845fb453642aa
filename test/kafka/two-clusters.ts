/** What the tests of a gateway on two clusters share: a line under load that both have met, and the audit of both together. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { parse, stringify } from "yaml";
import type { Brokers } from "../../demo/kafka/brokers.ts";
import type { WitnessedRecord } from "../../demo/kafka/java.ts";
import { command, gatewayScript } from "../../demo/line.ts";
import { until } from "../../demo/waiting.ts";
import type { StandbyStatus } from "../../gateway/queue/standby/standby.ts";
import { topicsIn } from "../fakes/kafka-queue.ts";
import { auditClusters, type KafkaAudit, refuseFindings } from "./audit.ts";
import { type KafkaLine, makeTopics } from "./line.ts";
import { lineOn } from "./line-under-test.ts";

export interface TwoClusters {
  readonly primary: Brokers;
  readonly standby: Brokers;
}

type Load = ReturnType<KafkaLine["produce"]>;

export const quick = { switchAfter: "6s", backAfter: "10s" };
export const patientMs = 90_000;

/** A line under load that both clusters have met. */
export async function loadedOnTwo(
  t: TestContext,
  { primary, standby }: TwoClusters,
  options: object = quick,
): Promise<{ line: KafkaLine; load: Load }> {
  const kafka = { standby: { brokers: standby.bootstrap.split(","), ...options } };
  const line = await lineOn(t, primary, { kafka });
  await makeTopics(standby, topicsIn(line.topics.namespace));
  await line.start();
  const load = line.produce();
  await line.forwarded(500, patientMs);
  assert.equal((await standbyOf(line)).active, "primary");
  return { line, load };
}

export async function standbyOf(line: KafkaLine): Promise<StandbyStatus> {
  const { standby: found } = await line.gateway.status();
  assert.ok(found !== undefined);
  return found;
}

export async function activeIs(line: KafkaLine, side: string, withinMs = patientMs): Promise<void> {
  await until(`the ${side} is active`, async () => (await standbyOf(line)).active === side, withinMs);
}

/** Runs `holdfast-gateway standby` with these words, and returns what it printed. */
export async function tell(line: KafkaLine, ...words: string[]): Promise<string> {
  const { stdout } = await command(gatewayScript, ["standby", ...words, "--config", line.gateway.configFile]);
  return stdout;
}

/** Changes `queue.kafka` in the gateway's configuration, as a person would. */
export function configure(line: KafkaLine, change: (kafka: Record<string, unknown>) => void): void {
  const { configFile } = line.gateway;
  const config = parse(readFileSync(configFile, "utf8")) as { queue: { kafka: Record<string, unknown> } };
  change(config.queue.kafka);
  writeFileSync(configFile, stringify(config));
}

/** Ends the load, drains and stops. */
export async function settled(line: KafkaLine, load: Load): Promise<void> {
  await load.stop();
  await line.drain(120_000);
  await line.stop();
}

/** Ends the load, drains, stops and audits both clusters together: every reading stands on one of them, once. */
export async function audited(
  { primary, standby }: TwoClusters,
  line: KafkaLine,
  load: Load,
  isOrdered: boolean,
): Promise<KafkaAudit> {
  await settled(line, load);
  const found = await auditClusters([primary.bootstrap, standby.bootstrap], dataTopics(line), line.memory);
  const audit = isOrdered ? found : { ...found, orderBreaks: 0 };
  refuseFindings(audit);
  assert.equal(audit.lostSeqs, 0);
  assert.ok(audit.acknowledged > 0 && audit.queued >= audit.acknowledged);
  return audit;
}

/**
 * Audits clusters after one of them was given up: what is marked as a possible repeat may stand twice, nothing else.
 * @param bootstraps the cluster that was given up first
 * @returns how many readings stand twice
 */
export async function auditedWithMarks(bootstraps: readonly string[], line: KafkaLine): Promise<number> {
  const met = new Set<string>();
  let repeats = 0;
  const audit = await auditClusters(bootstraps, dataTopics(line), line.memory, (record) => {
    const isRepeat = headerOf(record, "maybe-repeated") === "true" && met.has(nameOf(record));
    if (isRepeat) repeats++;
    met.add(nameOf(record));
    return isRepeat;
  });
  refuseFindings({ ...audit, orderBreaks: 0 });
  return repeats;
}

const dataTopics = ({ topics }: KafkaLine): string[] => [topics.readings, topics.losses, topics.deadLetters];

const headerOf = ({ headers }: WitnessedRecord, name: string): string | undefined =>
  headers.find(([known]) => known === name)?.[1];
const nameOf = (record: WitnessedRecord): string =>
  ["agent", "stream", "epoch", "seq"].map((name) => headerOf(record, name)).join("/");
