/** The queue's topics on a real broker: made, checked, and mended by the very commands that are printed. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { runJava } from "../../demo/kafka/java.ts";
import { type ClusterAdmin, openAdmin } from "../../gateway/queue/kafka/client/admin.ts";
import type { KafkaSettings } from "../../gateway/queue/kafka/settings.ts";
import { type Finding, newTopic } from "../../gateway/queue/kafka/topics/topic-rules.ts";
import { inspectTopics, makeTopic, prepareTopics } from "../../gateway/queue/kafka/topics/topics.ts";
import { Fault } from "../../shared/errors.ts";
import { kafkaSettings } from "../fakes/kafka-admin.ts";
import { clusterMissing, connect, recordAt, untilSettled } from "./cluster-under-test.ts";

/** The classes behind Kafka's scripts. */
const tools: Readonly<Record<string, string>> = {
  "kafka-configs.sh": "kafka.admin.ConfigCommand",
  "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
  "kafka-reassign-partitions.sh": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
};

/** Runs a command as a remedy prints it. */
async function run(remedy: string): Promise<void> {
  const [tool = "", ...args] = remedy.split(" ");
  await runJava(tools[tool] ?? tool, args);
}

describe("topics on a real broker", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  /** An administrator's client, and settings with names of their own. */
  async function setUp(t: TestContext): Promise<{ admin: ClusterAdmin; settings: KafkaSettings }> {
    const namespace = `n${randomBytes(4).toString("hex")}`;
    const admin = await openAdmin({
      brokers: brokers.bootstrap.split(","),
      clientId: "test",
      answerMs: 5_000,
      security: {},
    });
    t.after(() => admin.close());
    const settings = {
      ...kafkaSettings,
      brokers: brokers.bootstrap.split(","),
      namespace,
      topic: `${namespace}.readings`,
      lossTopic: `${namespace}.losses`,
      deadLetterTopic: `${namespace}.dead-letters`,
      positionsTopic: `${namespace}.positions`,
      replication: 1,
    };
    return { admin, settings };
  }

  /** Findings, but for the one that every topic of a single broker has. */
  async function findings(admin: ClusterAdmin, settings: KafkaSettings): Promise<Finding[]> {
    return (await inspectTopics(admin, settings)).findings.filter(({ what }) => !what.includes("one copy"));
  }

  test("a start makes its topics, and finds nothing to complain of but the single copy", async (t) => {
    const { admin, settings } = await setUp(t);
    const looked = await inspectTopics(admin, settings);
    assert.equal(looked.missing.length, 4);
    assert.ok(!(await admin.names()).includes(settings.topic), "to look makes nothing");
    const prepared = await prepareTopics(admin, settings);
    assert.deepEqual(prepared.warnings, []);
    assert.equal(prepared.recordBytesMax, 999_488);
    const again = await inspectTopics(admin, settings);
    assert.equal(again.missing.length, 0);
    assert.deepEqual(
      again.findings.map(({ severity, what }) => `${severity}: ${what.replace(/^.* has/, "has")}`),
      Array.from({ length: 4 }, () => "warning: has one copy of each record"),
    );
    const [positions, readings] = await admin.describe([settings.positionsTopic, settings.topic]);
    assert.ok(positions?.state === "found" && readings?.state === "found");
    assert.deepEqual([positions.replicas.length, readings.replicas.length], [1, 2]);
    assert.equal(positions.configs?.get("cleanup.policy"), "compact");
    const known = (await (await connect(t, brokers.bootstrap)).topics()).get(settings.topic);
    assert.equal(known?.id, readings.id, "both clients mean the same topic");
  });

  test("topics of a template are made once, also by two gateways at a time", async (t) => {
    const { admin, settings } = await setUp(t);
    const template = { ...settings, topic: `${settings.namespace}.of.{agent}` };
    await prepareTopics(admin, template);
    const name = `${settings.namespace}.of.pump-1`;
    const [one, two] = await Promise.all([makeTopic(admin, template, name), makeTopic(admin, template, name)]);
    assert.deepEqual(one, two);
    assert.equal(one?.partitions, 2);
  });

  test("each mismatch is found, and gone once its command has run", async (t) => {
    const { admin, settings } = await setUp(t);
    const dated = { ...settings, timestamp: "reading" } as const;
    await brokers.createTopic(settings.positionsTopic, {
      configs: { "cleanup.policy": "delete", "max.message.bytes": "1000" },
    });
    await brokers.createTopic(settings.topic, {
      configs: { "cleanup.policy": "compact", "retention.ms": "1000", "message.timestamp.type": "LogAppendTime" },
    });
    await brokers.createTopic(settings.deadLetterTopic, { configs: { "unclean.leader.election.enable": "true" } });
    const found = await findings(admin, { ...dated, createTopics: false });
    assert.deepEqual(
      found.map(({ severity, what }) => [severity, what.replace(settings.namespace, "n")]),
      [
        ["fault", "the topic n.positions has cleanup.policy=delete"],
        ["warning", "the topic n.positions has min.compaction.lag.ms=0"],
        ["fault", "the topic n.positions has max.message.bytes=1000"],
        ["fault", "the topic n.readings has cleanup.policy=compact"],
        ["fault", "the topic n.readings has retention.ms=1000"],
        ["warning", "the topic n.readings has message.timestamp.type=LogAppendTime"],
        ["fault", "the topic n.losses is not there"],
        ["warning", "the topic n.dead-letters has unclean.leader.election.enable=true"],
        ["warning", "the topic n.dead-letters has retention.ms=604800000"],
      ],
    );
    await assert.rejects(prepareTopics(admin, dated), { code: "config" });
    // Commands for one topic differ only in what they set, so one run of each kind of tool and topic will do.
    const byTopic = Map.groupBy(
      found.filter(({ remedy }) => remedy.startsWith("kafka-configs.sh")),
      ({ topic }) => topic,
    );
    for (const group of byTopic.values()) {
      const sets = group.map(({ remedy }) => remedy.split(" ").at(-1));
      await run((group[0]?.remedy ?? "").replace(/[^ ]+$/, sets.join(",")));
    }
    await run(found.find(({ what }) => what.includes("is not there"))?.remedy ?? "");
    assert.deepEqual(await findings(admin, { ...dated, createTopics: false }), []);
    assert.equal((await prepareTopics(admin, dated)).recordBytesMax, 999_488);
  });

  test("another number of partitions than shards is refused (I5)", async (t) => {
    const { admin, settings } = await setUp(t);
    await prepareTopics(admin, settings);
    await assert.rejects(prepareTopics(admin, { ...settings, shards: 2 }), (error: unknown) => {
      return error instanceof Fault && /queue\.kafka\.shards to 1/.test(error.remedy ?? "");
    });
  });

  test("more copies than brokers are refused before anything is made", async (t) => {
    const { admin, settings } = await setUp(t);
    await assert.rejects(prepareTopics(admin, { ...settings, replication: 3 }), (error: unknown) => {
      assert.ok(error instanceof Fault);
      assert.match(error.why ?? "", /replication is 3, and the cluster has one broker/);
      return true;
    });
    assert.ok(!(await admin.names()).some((name) => name.startsWith(settings.namespace)));
  });

  test("batches stay below what the smallest topic takes", async (t) => {
    const { admin, settings } = await setUp(t);
    await brokers.createTopic(settings.topic, { configs: { "max.message.bytes": "300000" } });
    const { recordBytesMax, batchBytesMax } = await prepareTopics(admin, settings);
    assert.deepEqual([recordBytesMax, batchBytesMax], [299_488, 300_000]);
    const cluster = await connect(t, brokers.bootstrap, { "batch.size": batchBytesMax, "linger.ms": 50 });
    const producer = cluster.producer(`${settings.namespace}-0`);
    t.after(() => producer.close());
    await producer.init();
    // Random bytes, since lz4 would make any number of zeros fit.
    const place = { topic: settings.topic, partition: 0 };
    await producer.send(Array.from({ length: 20 }, () => recordAt(place, randomBytes(100_000))));
    await untilSettled(() => producer.commit());
    await producer.send([recordAt(place, randomBytes(recordBytesMax - 100))]);
    await untilSettled(() => producer.commit());
  });
});

describe("topics on three real brokers", { skip: clusterMissing() ?? false }, () => {
  test("what is made by default has no finding; fewer copies, and too few in sync, are mended by their commands", async (t) => {
    const brokers = await startBrokers(3);
    t.after(() => brokers.stop());
    const addresses = brokers.bootstrap.split(",");
    const admin = await openAdmin({ brokers: addresses, clientId: "test", answerMs: 5_000, security: {} });
    t.after(() => admin.close());
    const settings = { ...kafkaSettings, brokers: addresses };
    const poor = newTopic(settings.topic, "readings", { ...settings, replication: 1 });
    await admin.create(poor, false);
    await admin.whenThere(poor.name);
    const { warnings } = await prepareTopics(admin, settings);
    assert.deepEqual(
      warnings.map(({ severity, what }) => [severity, what]),
      [["warning", "the topic holdfast.readings has one copy of each record"]],
    );
    const [, plan = "", command = ""] = /^echo '(.*)' > copies\.json && (.*)$/.exec(warnings[0]?.remedy ?? "") ?? [];
    const folder = mkdtempSync(join(tmpdir(), "holdfast-copies-"));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "copies.json"), plan);
    await run(command.replace("copies.json", join(folder, "copies.json")));
    const left = await inspectTopics(admin, settings);
    assert.deepEqual(
      left.findings.map(({ severity, what }) => [severity, what]),
      [["warning", "the topic holdfast.readings has min.insync.replicas=1"]],
    );
    await run(left.findings[0]?.remedy ?? "");
    assert.deepEqual((await inspectTopics(admin, settings)).findings, []);
  });
});
