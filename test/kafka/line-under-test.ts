/** What the tests of faults share: a line that is gone after its test, and what every fault must end in. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import type { Brokers } from "../../demo/kafka/brokers.ts";
import { tailOf } from "../../demo/processes.ts";
import type { Producers } from "../../demo/producers.ts";
import { until } from "../../demo/waiting.ts";
import { atEnd } from "../fakes/at-end.ts";
import { testFolder } from "../fakes/real-line.ts";
import { type KafkaAudit, refuseFindings } from "./audit.ts";
import { type KafkaLine, type KafkaLineOptions, type Load, layKafkaLine } from "./line.ts";

/** Lays a line with topics of its own, and starts nothing. */
export async function lineOn(
  t: TestContext,
  brokers: Brokers,
  options: Partial<KafkaLineOptions> = {},
): Promise<KafkaLine> {
  const namespace = `n${randomBytes(4).toString("hex")}`;
  const line = await layKafkaLine({ folder: testFolder(t, "kafka"), brokers, namespace, ...options });
  atEnd(t, async () => {
    await line.end();
    // Node's types do not have it yet.
    if (!(t as { passed?: boolean }).passed) t.diagnostic(line.gatewayLog().split("\n").slice(-30).join("\n"));
  });
  return line;
}

/** The same, running and under load. */
export async function loadedLine(
  t: TestContext,
  brokers: Brokers,
  options: Partial<KafkaLineOptions> = {},
  load?: Load,
): Promise<{ line: KafkaLine; load: Pick<Producers, "stop"> }> {
  const line = await lineOn(t, brokers, options);
  await line.start();
  const producers = line.produce(load);
  await line.forwarded(500);
  return { line, load: producers };
}

/** Ends the load, drains, stops and audits: every reading is there once, in its order, and nothing is lost. */
export async function comesThrough(line: KafkaLine, load: Pick<Producers, "stop">): Promise<KafkaAudit> {
  await load.stop();
  await line.drain();
  await line.stop();
  const audit = await line.audit();
  refuseFindings(audit);
  assert.ok(audit.acknowledged > 0 && audit.queued >= audit.acknowledged - audit.lostNamed);
  assert.equal(audit.lostSeqs, 0);
  return audit;
}

/** Waits until the gateway's log has said something, since a place in it. */
export async function said(line: KafkaLine, words: RegExp, from = 0, withinMs = 60_000): Promise<void> {
  const isSaid = (): boolean => words.test(line.gatewayLog().slice(from));
  await until(`the gateway says ${words}`, isSaid, withinMs).catch((cause: unknown) => {
    throw new Error(`it said only:\n${line.gatewayLog().slice(from)}`, { cause });
  });
}

/** Starts a gateway that must refuse to run, and returns what it said. */
export async function refused(line: KafkaLine): Promise<string> {
  const from = line.gatewayLog().length;
  const { ended } = line.gateway.launch();
  const timer = setTimeout(() => void line.gateway.stop(), 30_000);
  const { code, signal } = await ended;
  clearTimeout(timer);
  assert.ok(signal === null && code !== 0, `it ended with ${signal ?? code}:\n${tailOf(line.gateway.logFile)}`);
  return line.gatewayLog().slice(from);
}
