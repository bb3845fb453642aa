/** A line on two real clusters: the gateway goes on at the other one when the first is lost, and back, and nothing stands twice. */
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import type { WitnessedRecord } from "../../demo/kafka/java.ts";
import { command, gatewayScript } from "../../demo/line.ts";
import { sleep, until } from "../../demo/waiting.ts";
import type { StandbyStatus } from "../../gateway/queue/standby/standby.ts";
import { topicsIn } from "../fakes/kafka-queue.ts";
import { auditClusters, type KafkaAudit, refuseFindings } from "./audit.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { type KafkaLine, makeTopics } from "./line.ts";
import { lineOn, said } from "./line-under-test.ts";

const quick = { switchAfter: "6s", backAfter: "10s" };

const headerOf = ({ headers }: WitnessedRecord, name: string): string | undefined =>
  headers.find(([known]) => known === name)?.[1];
const nameOf = (record: WitnessedRecord): string =>
  ["agent", "stream", "epoch", "seq"].map((name) => headerOf(record, name)).join("/");
const isMarked = (record: WitnessedRecord): boolean => headerOf(record, "maybe-repeated") === "true";

void describe("a gateway on two clusters", { skip: clusterMissing() ?? false }, () => {
  let primary: Brokers;
  let standby: Brokers;
  before(async () => {
    [primary, standby] = await Promise.all([startBrokers(1), startBrokers(1)]);
  });
  after(() => Promise.all([primary.stop(), standby.stop()]));

  /** A line under load that both clusters have met. */
  async function loaded(t: TestContext, options: object = quick) {
    const kafka = { standby: { brokers: standby.bootstrap.split(","), ...options } };
    const line = await lineOn(t, primary, { kafka });
    await makeTopics(standby, topicsIn(line.topics.namespace));
    await line.start();
    const load = line.produce();
    await line.forwarded(500, 90_000);
    assert.equal((await standbyOf(line)).active, "primary");
    return { line, load };
  }

  async function standbyOf(line: KafkaLine): Promise<StandbyStatus> {
    const { standby: found } = await line.gateway.status();
    assert.ok(found !== undefined);
    return found;
  }

  async function activeIs(line: KafkaLine, side: string, withinMs = 90_000): Promise<void> {
    await until(`the ${side} is active`, async () => (await standbyOf(line)).active === side, withinMs);
  }

  /** Ends the load, drains, stops and audits both clusters together. */
  async function audited(line: KafkaLine, load: { stop(): Promise<void> }, isOrdered: boolean): Promise<KafkaAudit> {
    await load.stop();
    await line.drain(120_000);
    await line.stop();
    const { readings, losses, deadLetters } = line.topics;
    const bootstraps = [primary.bootstrap, standby.bootstrap];
    const found = await auditClusters(bootstraps, [readings, losses, deadLetters], line.memory);
    const audit = isOrdered ? found : { ...found, orderBreaks: 0 };
    refuseFindings(audit);
    assert.equal(audit.lostSeqs, 0);
    assert.ok(audit.acknowledged > 0 && audit.queued >= audit.acknowledged);
    return audit;
  }

  void it("I5: it changes on command and back, in order, and every reading stands on one of the two, once", async (t) => {
    const { line, load } = await loaded(t, { automatic: false });
    const config = ["--config", line.gateway.configFile];
    for (const side of ["standby", "primary", "standby"]) {
      await command(gatewayScript, ["standby", "switch", side, ...config]);
      await activeIs(line, side);
      await line.forwarded(500, 90_000);
    }
    const { stdout } = await command(gatewayScript, ["standby", ...config]);
    assert.match(stdout, /standby +answers, takes the readings/);
    await audited(line, load, true);
  });

  void it("I5: the first cluster dies under load; the other one goes on by itself, and back when it has returned", async (t) => {
    const { line, load } = await loaded(t);
    await primary.kill(1);
    await activeIs(line, "standby");
    await line.forwarded(500, 90_000);
    await line.gateway.kill();
    await line.gateway.start();
    await line.forwarded(500, 90_000);
    await primary.start(1);
    await activeIs(line, "primary", 180_000);
    await line.forwarded(500, 90_000);
    await audited(line, load, false);
  });

  void it("I5: it is killed between the note of what is sent and the sending, and in each step of a change", async (t) => {
    const { line, load } = await loaded(t);
    for (const [point, pass] of [
      ["standby names reserved", 3],
      ["kafka records sent", 8],
      ["kafka transaction committed", 8],
    ] as const) {
      await line.gateway.kill();
      const dying = line.gateway.launch({ environment: { ...process.env, HOLDFAST_CRASH_AT: `${point}:${pass}` } });
      const timer = setTimeout(() => void dying.stop(), 60_000);
      const { signal } = await dying.ended;
      clearTimeout(timer);
      assert.equal(signal, "SIGKILL", `the gateway died at "${point}"`);
      // Where it died, the other cluster must not get what the first one may have.
      primary.pause(1);
      await line.gateway.start();
      await activeIs(line, "standby");
      await line.forwarded(300, 90_000);
      primary.resume(1);
      await activeIs(line, "primary", 180_000);
      await line.forwarded(300, 90_000);
    }
    await audited(line, load, false);
  });

  void it("I5: a cluster that is given up: what it may have is sent to the other one, and marked there", async (t) => {
    const { line, load } = await loaded(t);
    await primary.kill(1);
    await activeIs(line, "standby");
    await line.forwarded(500, 90_000);
    await load.stop();
    const held = (await standbyOf(line)).heldSeqs;
    const { stdout } = await command(gatewayScript, [
      "standby",
      "abandon",
      "primary",
      "--config",
      line.gateway.configFile,
    ]);
    assert.match(stdout, /primary +given up/);
    await line.drain(120_000);
    await line.stop();
    await primary.start(1);
    const { readings, losses, deadLetters } = line.topics;
    // The primary is read first.
    const met = new Set<string>();
    let repeats = 0;
    const audit = await auditClusters(
      [primary.bootstrap, standby.bootstrap],
      [readings, losses, deadLetters],
      line.memory,
      (record) => {
        const isRepeat = isMarked(record) && met.has(nameOf(record));
        if (isRepeat) repeats++;
        met.add(nameOf(record));
        return isRepeat;
      },
    );
    refuseFindings({ ...audit, orderBreaks: 0 });
    t.diagnostic(`${held} seqs were held, and ${repeats} readings stand on both, marked on the standby`);
    assert.ok(repeats > 0 && repeats <= held);
  });

  void it("I5: the journal is lost: nothing is forwarded before both clusters were asked", async (t) => {
    const { line, load } = await loaded(t, { automatic: false });
    await line.gateway.kill();
    standby.pause(1);
    const { rmSync } = await import("node:fs");
    for (const name of ["journal.db", "journal.db-wal", "journal.db-shm", "journal.id"]) {
      rmSync(`${line.gatewayState}/${name}`, { force: true });
    }
    const from = line.gatewayLog().length;
    const running = line.gateway.launch();
    await said(line, /waiting for both clusters/, from);
    await sleep(3_000);
    assert.ok(!/the gateway runs/.test(line.gatewayLog().slice(from)));
    standby.resume(1);
    await said(line, /the gateway runs/, from, 120_000);
    assert.ok(running.isRunning());
    await line.forwarded(500, 90_000);
    await audited(line, load, false);
  });
});
