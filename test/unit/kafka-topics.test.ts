/** What topics must be like: each mismatch alone, what mends it, and what a start makes of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FoundTopic } from "../../gateway/queue/kafka/client/admin.ts";
import type { KafkaSettings } from "../../gateway/queue/kafka/settings.ts";
import { findingsOf, newTopic, type TopicRole } from "../../gateway/queue/kafka/topics/topic-rules.ts";
import { inspectTopics, makeTopic, prepareTopics } from "../../gateway/queue/kafka/topics/topics.ts";
import { Fault } from "../../shared/errors.ts";
import { fakeAdmin, foundTopic, kafkaSettings } from "../fakes/kafka-admin.ts";

const roles: TopicRole[] = ["readings", "losses", "dead-letters", "positions"];

/** Findings about a topic as this queue makes it, but for some changes. */
function findings(
  role: TopicRole,
  configs: Record<string, string> = {},
  change: Partial<FoundTopic> = {},
  settings: Partial<KafkaSettings> = {},
) {
  const wanted = { ...kafkaSettings, ...settings };
  const made = newTopic("t", role, kafkaSettings);
  const topic = foundTopic({ ...made, configs: { ...made.configs, ...configs } });
  return findingsOf("t", role, { ...topic, ...change }, wanted, [1, 2, 3]);
}

test("a topic that this queue made has no finding", () => {
  for (const role of roles) {
    for (const timestamp of ["arrival", "reading"] as const) {
      const settings = { ...kafkaSettings, timestamp };
      const found = findingsOf("t", role, foundTopic(newTopic("t", role, settings)), settings, [1, 2, 3]);
      assert.deepEqual(found, [], `${role} by ${timestamp}`);
    }
  }
});

test("each mismatch is one finding, with the command that mends it", () => {
  const set = (config: string, value: string) =>
    `kafka-configs.sh --bootstrap-server k1:9092 --alter --entity-type topics --entity-name t --add-config ${config}=${value}`;
  const dated = { timestamp: "reading" } as const;
  const cases: [string, TopicRole, Record<string, string>, Partial<KafkaSettings>, string][] = [
    ["warning", "losses", { "min.insync.replicas": "1" }, {}, set("min.insync.replicas", "2")],
    ["fault", "losses", { "min.insync.replicas": "4" }, {}, set("min.insync.replicas", "2")],
    [
      "warning",
      "positions",
      { "unclean.leader.election.enable": "true" },
      {},
      set("unclean.leader.election.enable", "false"),
    ],
    ["fault", "positions", { "cleanup.policy": "delete" }, {}, set("cleanup.policy", "compact")],
    ["fault", "positions", { "cleanup.policy": "compact,delete" }, {}, set("cleanup.policy", "compact")],
    ["warning", "positions", { "min.compaction.lag.ms": "79999" }, {}, set("min.compaction.lag.ms", "600000")],
    ["fault", "positions", { "max.message.bytes": "500000" }, {}, set("max.message.bytes", "1048588")],
    ["fault", "dead-letters", { "max.message.bytes": "524287" }, {}, set("max.message.bytes", "1048588")],
    ["fault", "losses", { "max.message.bytes": "1000" }, {}, set("max.message.bytes", "1048588")],
    ["warning", "readings", { "max.message.bytes": "100000" }, {}, set("max.message.bytes", "1048588")],
    ["fault", "readings", { "cleanup.policy": "compact" }, {}, set("cleanup.policy", "delete")],
    ["fault", "losses", { "cleanup.policy": "compact,delete" }, {}, set("cleanup.policy", "delete")],
    ["fault", "readings", { "retention.ms": "79999" }, dated, set("retention.ms", "2592000000")],
    ["warning", "dead-letters", { "retention.ms": "604800000" }, {}, set("retention.ms", "-1")],
    ["warning", "readings", { "retention.ms": "604800000" }, dated, set("retention.ms", "2592000000")],
    [
      "warning",
      "readings",
      { "retention.ms": "-1", "message.timestamp.type": "LogAppendTime" },
      dated,
      set("message.timestamp.type", "CreateTime"),
    ],
    [
      "warning",
      "readings",
      { "retention.ms": "-1", "message.timestamp.before.max.ms": "86400000" },
      dated,
      set("message.timestamp.before.max.ms", "9223372036854775807"),
    ],
    [
      "warning",
      "readings",
      { "retention.ms": "-1", "message.timestamp.after.max.ms": "1000" },
      dated,
      set("message.timestamp.after.max.ms", "3600000"),
    ],
  ];
  for (const [severity, role, configs, settings, remedy] of cases) {
    const name = `${role} ${JSON.stringify(configs)}`;
    const found = findings(role, configs, {}, settings);
    assert.deepEqual(
      found.map((finding) => [finding.severity, finding.topic, finding.remedy]),
      [[severity, "t", remedy]],
      name,
    );
    assert.match(found[0]?.what ?? "", /^the topic t has [a-z.]+=/, name);
    assert.ok((found[0]?.why ?? "").length > 20, name);
  }
});

test("records that are dated by their arrival need no long retention, nor any rule for old times", () => {
  assert.deepEqual(
    findings("readings", { "message.timestamp.type": "LogAppendTime", "message.timestamp.before.max.ms": "1" }),
    [],
  );
});

test("fewer copies than three say what is not promised, and the brokers that could hold more are named", () => {
  const [finding] = findings("readings", {}, { replicas: [[2], [3]] }).filter(({ what }) => what.includes("copy"));
  assert.equal(finding?.severity, "warning");
  const [, plan = ""] = /^echo '(.*)' > copies\.json && kafka-reassign-partitions\.sh /.exec(finding.remedy) ?? [];
  assert.deepEqual(JSON.parse(plan), {
    version: 1,
    partitions: [
      { topic: "t", partition: 0, replicas: [2, 1, 3] },
      { topic: "t", partition: 1, replicas: [3, 2, 1] },
    ],
  });
  const made = { ...newTopic("t", "losses", { ...kafkaSettings, replication: 1 }) };
  const alone = findingsOf("t", "losses", foundTopic(made), { ...kafkaSettings, replication: 1 }, [1]);
  assert.deepEqual(
    alone.map(({ severity, remedy }) => [severity, remedy]),
    [["warning", "add brokers: 1 cannot hold 3 copies"]],
  );
});

test("another number of positions partitions than shards is refused, since it would forget what was forwarded (I5)", () => {
  const [finding] = findings("positions", {}, {}, { shards: 4 });
  assert.equal(finding?.severity, "fault");
  assert.match(finding.remedy, /queue\.kafka\.shards to 1/);
});

test("missing rights are named with the command that gives them", () => {
  const login = { mechanism: "SCRAM-SHA-512", username: "site", passwordFile: "/pw" } as const;
  const secured = { security: { tls: null, login } };
  const [finding] = findings("readings", {}, { missingRights: ["Read", "Write"] }, secured);
  assert.equal(finding?.severity, "fault");
  assert.equal(
    finding.remedy,
    "kafka-acls.sh --bootstrap-server k1:9092 --command-config admin.properties --add --allow-principal User:site " +
      "--operation Read --operation Write --topic t",
  );
  const odd = { ...secured, security: { tls: null, login: { ...login, username: "o'hara; rm" } } };
  const [quoted] = findings("readings", {}, { missingRights: ["Read"] }, odd);
  assert.match(quoted?.remedy ?? "", /--allow-principal 'User:o'\\''hara; rm' --operation/);
  const blind = findings("readings", {}, { missingRights: ["DescribeConfigs"], configs: null });
  assert.deepEqual(
    blind.map(({ severity }) => severity),
    ["warning"],
  );
});

test("a start makes what is missing, and finds it fit afterwards", async () => {
  const admin = fakeAdmin();
  const before = await inspectTopics(admin, kafkaSettings);
  assert.equal(admin.made.length, 0, "to look makes nothing");
  assert.equal(before.missing.length, 4);
  const { warnings, recordBytesMax, batchBytesMax } = await prepareTopics(admin, kafkaSettings);
  assert.deepEqual(warnings, []);
  assert.deepEqual([recordBytesMax, batchBytesMax], [999_488, 1_000_000]);
  const made = Object.fromEntries(admin.made.map((topic) => [topic.name, topic]));
  assert.equal(made["holdfast.positions"]?.configs["cleanup.policy"], "compact");
  assert.equal(made["holdfast.positions"]?.partitions, 1);
  assert.equal(made["holdfast.readings"]?.partitions, 2);
  assert.deepEqual((await inspectTopics(admin, kafkaSettings)).missing, []);
});

test("a template has its topics made one by one, and those that are there are checked at the start", async () => {
  const admin = fakeAdmin();
  const settings = { ...kafkaSettings, topic: "site.{agent}", lossTopic: null };
  await prepareTopics(admin, settings);
  assert.deepEqual(
    admin.made.map(({ name }) => name),
    ["holdfast.positions", "holdfast.dead-letters"],
  );
  assert.deepEqual(await makeTopic(admin, settings, "site.pump-1"), { id: "id", partitions: 2 });
  assert.deepEqual(await makeTopic(admin, settings, "site.pump-1"), { id: "id", partitions: 2 });
  assert.equal(admin.made.length, 3);
  const small = newTopic("site.pump-2", "readings", settings);
  admin.topics.set(small.name, foundTopic({ ...small, configs: { ...small.configs, "max.message.bytes": "300000" } }));
  const { recordBytesMax, batchBytesMax } = await prepareTopics(admin, settings);
  assert.deepEqual([recordBytesMax, batchBytesMax], [299_488, 300_000]);
  admin.topics.set("site.x", foundTopic({ ...small, configs: { ...small.configs, "cleanup.policy": "compact" } }));
  await assert.rejects(makeTopic(admin, settings, "site.x"), (error: unknown) => {
    return error instanceof Fault && error.code === "config" && error.retryable;
  });
});

test("what breaks the promise keeps the gateway from starting, all of it named, and nothing is made then", async () => {
  const admin = fakeAdmin();
  const positions = newTopic("holdfast.positions", "positions", kafkaSettings);
  admin.topics.set("holdfast.positions", foundTopic({ ...positions, partitions: 3, configs: {} }));
  await assert.rejects(prepareTopics(admin, kafkaSettings), (error: unknown) => {
    assert.ok(error instanceof Fault && error.code === "config" && !error.retryable);
    assert.match(error.why ?? "", /3 partitions.*cleanup\.policy=delete/);
    assert.match(error.remedy ?? "", /shards to 3.*cleanup\.policy=compact/);
    return true;
  });
  assert.deepEqual(admin.made, []);
});

test("without the wish to create, what is missing is named with the command that makes it", async () => {
  const admin = fakeAdmin();
  const { findings: found, missing } = await inspectTopics(admin, { ...kafkaSettings, createTopics: false });
  assert.deepEqual(missing, []);
  assert.equal(found.length, 4);
  assert.equal(
    found[0]?.remedy,
    "kafka-topics.sh --bootstrap-server k1:9092 --create --topic holdfast.positions --partitions 1 --replication-factor 3 " +
      "--config min.insync.replicas=2 --config unclean.leader.election.enable=false --config max.message.bytes=1048588 " +
      "--config cleanup.policy=compact --config min.compaction.lag.ms=600000 --config segment.bytes=16777216",
  );
});

test("a cluster with fewer brokers than copies, and one that does not let us create, say so before anything is made", async () => {
  const few = fakeAdmin(1, { result: "refused", code: 38, message: "Unable to replicate the partition 3 time(s)" });
  await assert.rejects(prepareTopics(few, { ...kafkaSettings, lossTopic: null }), (error: unknown) => {
    assert.ok(error instanceof Fault);
    assert.match(error.why ?? "", /replication is 3, and the cluster has one broker/);
    assert.match(error.remedy ?? "", /set queue\.kafka\.replication to 1/);
    return true;
  });
  const forbidden = fakeAdmin(3, { result: "refused", code: 29, message: "Authorization failed." });
  const { findings: found } = await inspectTopics(forbidden, kafkaSettings);
  assert.match(found[0]?.remedy ?? "", /kafka-acls\.sh .*--operation Create --topic holdfast\.positions; or create it/);
});

test("topics that are hidden, and transactional ids that may not be used, are named with what they need", async () => {
  const admin = { ...fakeAdmin(), maySee: async () => false };
  admin.topics.set("holdfast.losses", { state: "hidden" });
  const { findings: found } = await inspectTopics(admin, kafkaSettings);
  assert.deepEqual(
    found.map(({ severity, topic }) => [severity, topic]),
    [
      ["fault", ""],
      ["fault", ""],
      ["fault", "holdfast.losses"],
    ],
  );
  assert.match(
    found[0]?.remedy ?? "",
    /--operation Write --transactional-id holdfast- --resource-pattern-type prefixed$/,
  );
});

test("transactional ids that may be seen and not be used are named too", async () => {
  const admin = { ...fakeAdmin(), mayWrite: async (id: string) => id !== "holdfast-0" };
  const { findings: found } = await inspectTopics(admin, kafkaSettings);
  assert.deepEqual(
    found.map(({ what }) => what),
    ["the transactional ids holdfast-* do not give this gateway the right to Write"],
  );
});
