/** What a person does about two real clusters: one is replaced, its topics are lost, one is enough again, dead letters on the second. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { parse } from "yaml";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { runJava } from "../../demo/kafka/java.ts";
import { command, gatewayScript } from "../../demo/line.ts";
import { contentOf } from "../../demo/memory.ts";
import { post } from "../../demo/post.ts";
import { until } from "../../demo/waiting.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { type KafkaLine, makeTopics } from "./line.ts";
import { refused } from "./line-under-test.ts";
import {
  activeIs,
  audited,
  auditedWithMarks,
  configure,
  loadedOnTwo,
  patientMs,
  quick,
  settled,
  standbyOf,
  type TwoClusters,
  tell,
} from "./two-clusters.ts";

void describe("a gateway on two clusters, and a person", { skip: clusterMissing() ?? false }, () => {
  let primary: Brokers;
  let standby: Brokers;
  let both: TwoClusters;
  before(async () => {
    [primary, standby] = await Promise.all([startBrokers(1), startBrokers(1)]);
    both = { primary, standby };
  });
  after(() => Promise.all([primary.stop(), standby.stop()]));

  let isDead = false;
  afterEach(returns);

  async function returns(): Promise<void> {
    if (isDead) await primary.start(1);
    isDead = false;
  }

  /** The primary dies under load, and what it was sent last is in doubt. */
  async function primaryDies(line: KafkaLine): Promise<void> {
    isDead = true;
    await primary.kill(1);
    await activeIs(line, "standby");
    await line.forwarded(500, patientMs);
  }

  void it("I5: a cluster that was given up is replaced by another one, which is used again", async (t) => {
    const { line, load } = await loadedOnTwo(t, both);
    await primaryDies(line);
    await tell(line, "abandon", "primary");
    await line.gateway.stop();

    const other = await startBrokers(1);
    t.after(() => other.stop());
    await makeTopics(other, line.topics);
    configure(line, (kafka) => {
      kafka.brokers = other.bootstrap.split(",");
    });
    await line.gateway.start();
    await line.forwarded(300, patientMs);
    await nothingInDoubt(line);
    assert.match(await tell(line, "renew", "primary"), /primary +(answers|does not answer)/);
    await activeIs(line, "primary", 180_000);
    await line.forwarded(300, patientMs);
    await settled(line, load);

    await returns();
    const bootstraps = [primary, standby, other].map(({ bootstrap }) => bootstrap);
    const repeats = await auditedWithMarks(bootstraps, line);
    t.diagnostic(`${repeats} readings stand twice, marked`);
    assert.ok((await other.witnessed(line.topics.readings)).length >= 300);
  });

  void it("I5: inDoubt: repeat sends what is in doubt by itself, marked, and the cluster that returns is used again", async (t) => {
    const { line, load } = await loadedOnTwo(t, both, { ...quick, inDoubt: "repeat" });
    await primaryDies(line);
    await until("what was in doubt is sent", async () => (await standbyOf(line)).heldSeqs === 0, patientMs);
    assert.ok((await standbyOf(line)).doubtedSeqs > 0);
    await returns();
    await activeIs(line, "primary", 180_000);
    await line.forwarded(300, patientMs);
    await settled(line, load);
    const repeats = await auditedWithMarks([primary.bootstrap, standby.bootstrap], line);
    t.diagnostic(`${repeats} readings stand on both, marked on the standby`);
    assert.ok(repeats > 0);
  });

  void it("I5: a standby whose topics were made anew is refused until it was given up and renewed", async (t) => {
    const { line, load } = await loadedOnTwo(t, both, { automatic: false });
    for (const topic of [line.topics.readings, line.topics.losses, line.topics.deadLetters, line.topics.positions]) {
      await standby.deleteTopic(topic);
    }
    await makeTopics(standby, line.topics);
    await line.gateway.stop();
    await line.gateway.start();
    await line.forwarded(300, patientMs);
    await until(
      "the standby is refused",
      async () => (await standbyOf(line)).clusters.standby.trouble !== null,
      patientMs,
    );
    await assert.rejects(tell(line, "switch", "standby"), /does not answer/);

    await tell(line, "abandon", "standby");
    await line.gateway.stop();
    await line.gateway.start();
    await line.forwarded(300, patientMs);
    await tell(line, "renew", "standby");
    await until("it answers", async () => (await standbyOf(line)).clusters.standby.answers, patientMs);
    await tell(line, "switch", "standby");
    await activeIs(line, "standby");
    await line.forwarded(300, patientMs);
    await audited(both, line, load, true);
  });

  void it("I5: back to one cluster: refused while readings may stand on the other one alone, and nothing stands twice after", async (t) => {
    const { line, load } = await loadedOnTwo(t, both, { automatic: false });
    await tell(line, "switch", "standby");
    await activeIs(line, "standby");
    await line.forwarded(300, patientMs);
    // Killed, so that the standby is left with what nobody has asked it for.
    await line.gateway.kill();
    const standbyOptions = removeStandby(line);
    assert.match(await refused(line), /seqs may stand on the standby that is no longer configured/);

    configure(line, (kafka) => {
      kafka.standby = standbyOptions;
    });
    await line.gateway.start();
    await line.forwarded(300, patientMs);
    await tell(line, "switch", "primary");
    await activeIs(line, "primary");
    await line.forwarded(300, patientMs);
    await nothingInDoubt(line);
    await load.stop();
    await line.drain(120_000);
    await line.gateway.stop();
    removeStandby(line);
    await line.gateway.start();
    assert.equal((await line.gateway.status()).standby, undefined);
    const more = line.produce();
    await line.forwarded(300, patientMs);
    await audited(both, line, more, true);
  });

  void it("I6: what the standby's topic refuses is a dead letter there, and is replayed there", async (t) => {
    const { line, load } = await loadedOnTwo(t, both, { automatic: false });
    await tell(line, "switch", "standby");
    await activeIs(line, "standby");
    await line.forwarded(100, patientMs);
    await setLimit(standby, line.topics.readings, 20_000);
    // A text that no compression brings below the limit.
    const value = randomBytes(30_000).toString("base64");
    await sendText(line, value);
    await until("it is a dead letter", async () => (await line.gateway.status()).deadLetters === 1, patientMs);
    const [letter, ...none] = (await standby.witnessed(line.topics.deadLetters)).filter(
      ({ headers }) => headers.find(([name]) => name === "kind") !== undefined,
    );
    assert.ok(letter !== undefined && none.length === 0);
    await setLimit(standby, line.topics.readings, 1_048_588);
    await line.gateway.stop();
    await line.gateway.start();
    await line.forwarded(100, patientMs);
    const replayed = await command(gatewayScript, [
      "dead-letters",
      "replay",
      "--all",
      "--config",
      line.gateway.configFile,
    ]);
    assert.match(replayed.stdout, /1 seq replayed/);
    await settled(line, load);
    const holds = async (brokers: Brokers): Promise<number> =>
      (await brokers.witnessed(line.topics.readings)).filter((record) => record.value?.includes(value)).length;
    assert.deepEqual([await holds(primary), await holds(standby)], [0, 1]);
  });
});

async function nothingInDoubt(line: KafkaLine): Promise<void> {
  const isClear = async (): Promise<boolean> => {
    const { heldSeqs, doubtedSeqs } = await standbyOf(line);
    return heldSeqs === 0 && doubtedSeqs === 0;
  };
  await until("nothing is held or in doubt", isClear, patientMs);
}

/** Takes the second cluster out of the configuration, and returns what stood there. */
function removeStandby(line: KafkaLine): unknown {
  let options: unknown;
  configure(line, (kafka) => {
    options = kafka.standby;
    delete kafka.standby;
  });
  return options;
}

async function setLimit({ bootstrap }: Brokers, topic: string, bytes: number): Promise<void> {
  const where = ["--bootstrap-server", bootstrap, "--alter", "--entity-type", "topics", "--entity-name", topic];
  await runJava("kafka.admin.ConfigCommand", [...where, "--add-config", `max.message.bytes=${bytes}`]);
}

/** Sends one text to the first agent. */
async function sendText({ agents, memory }: KafkaLine, value: string): Promise<void> {
  const { configFile } = agents[0] as (typeof agents)[number];
  const config = parse(readFileSync(configFile, "utf8")) as { name: string; inputs: { http: { listen: string } } };
  const place = { agent: config.name, stream: "telemetry" };
  const ids = memory.attempt(place, { name: "note", value }, contentOf({ name: "note" }));
  const port = Number(config.inputs.http.listen.split(":")[1]);
  const answer = await post(port, "/v1/readings", "application/json", JSON.stringify({ name: "note", value }));
  assert.equal(answer.status, 204, answer.text);
  memory.acknowledge([ids].flat());
}
