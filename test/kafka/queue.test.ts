/** The Kafka queue on real brokers: the queue's contract suite, and what only real brokers show. */
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import type { KafkaCluster } from "../../gateway/queue/kafka/cluster.ts";
import { openKafka } from "../../gateway/queue/kafka/open.ts";
import type { KafkaSettings } from "../../gateway/queue/kafka/settings.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { realEnv } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import { queueContract } from "../contract/queue.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { kafkaLine } from "../fakes/kafka-lines.ts";
import { openTestQueue, type QueueTopics, topicsIn } from "../fakes/kafka-queue.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { type Brokers, startBrokers } from "./brokers.ts";
import { clusterMissing, connect, readAll } from "./cluster-under-test.ts";

const missing = clusterMissing();
let brokers: Brokers | undefined;

before(async () => {
  if (missing === undefined) brokers = await startBrokers(1);
});
after(() => brokers?.stop());

let made = 0;

/** The topics of a queue of its own on the common broker. */
async function makeTopics(shards: number): Promise<QueueTopics> {
  const topics = topicsIn(`queue-${++made}`);
  const { readings, losses, deadLetters, positions } = topics;
  for (const topic of [readings, losses, deadLetters]) await (brokers as Brokers).createTopic(topic);
  await (brokers as Brokers).createTopic(positions, { partitions: shards, configs: { "cleanup.policy": "compact" } });
  return topics;
}

/** A topic that was just made may take a moment to show. */
async function shown(cluster: KafkaCluster, topic: string): Promise<void> {
  while (!(await cluster.topics()).has(topic)) await new Promise((resolve) => setTimeout(resolve, 20));
}

queueContract("Kafka, one broker", (t) => missing ?? realQueue(t, 1, openTestQueue));

queueContract("Kafka, three shards, opened from settings", (t) => {
  const { signal } = new AbortController();
  const open: Open = (_, topics, groupId) => {
    return openKafka({ settings: settingsOf(topics), env: realEnv(), log: silent, groupId, signal });
  };
  return missing ?? realQueue(t, 3, open);
});

type Open = (cluster: KafkaCluster, topics: QueueTopics, groupId: string | null) => Promise<Queue>;

function settingsOf({ namespace, readings, losses, deadLetters, positions }: QueueTopics): KafkaSettings {
  return {
    brokers: [(brokers as Brokers).bootstrap],
    clientId: "test",
    namespace,
    topic: readings,
    key: "{agent}/{series}",
    format: "json",
    timestamp: "reading",
    historicalAfterMs: 600_000,
    lossTopic: losses,
    deadLetterTopic: deadLetters,
    positionsTopic: positions,
    shards: 3,
    createTopics: true,
    partitions: 1,
    replication: 1,
    settleMs: 20,
    commitIntervalMs: 0,
    confirmCluster: null,
    security: { tls: null, login: null },
    properties: {},
  };
}

function realQueue(t: TestContext, shards: number, open: Open) {
  let ready: Promise<{ topics: QueueTopics; cluster: KafkaCluster }> | undefined;
  let groupId: string | null = null;
  const make = async () => {
    const topics = await makeTopics(shards);
    const cluster = await connect(t, (brokers as Brokers).bootstrap);
    await shown(cluster, topics.positions);
    return { topics, cluster };
  };
  return {
    async open(): Promise<Queue> {
      const { cluster, topics } = await (ready ??= make());
      const queue = await open(cluster, topics, groupId);
      groupId = queue.groupId;
      return queue;
    },
    async lines() {
      const { cluster, topics } = await (ready ??= make());
      const lines = [];
      for (const topic of [topics.readings, topics.losses, topics.deadLetters]) {
        for (const record of await readAll(cluster, { topic, partition: 0 })) lines.push(kafkaLine(record));
      }
      return lines;
    },
    setFull: undefined,
  };
}

void describe("the Kafka queue on a real broker", { skip: missing }, () => {
  const lane = laneOf("pump-17");

  void it("I5: a second gateway takes the shard over, and the first one gives it up", async (t) => {
    const { bootstrap } = brokers as Brokers;
    const topics = await makeTopics(1);
    const cluster = await connect(t, bootstrap);
    await shown(cluster, topics.positions);
    const first = await openTestQueue(cluster, topics, null);
    await first.commit([readings(lane, 1, [1, 2])], [positionOf(lane, 1, 2)]);
    const second = await openTestQueue(await connect(t, bootstrap), topics, first.groupId);
    assert.deepEqual(
      second.forwarded(lane).map((range) => [range.first, range.last]),
      [[1, 2]],
    );
    // The first failure may still be the producer's, or the house-keeping has looked already.
    await assert.rejects(first.commit([readings(lane, 3, [3])], [positionOf(lane, 1, 3)]), { name: "Fault" });
    await assert.rejects(first.commit([readings(lane, 3, [3])], [positionOf(lane, 1, 3)]), {
      code: "closed",
      retryable: false,
    });
    // The first one may have fenced the second before it saw whose the shard is; the second then begins again.
    await asForwarder(() => second.commit([readings(lane, 3, [3])], [positionOf(lane, 1, 3)]));
    assert.deepEqual(
      (await readAll(cluster, { topic: topics.readings, partition: 0 })).map((record) => kafkaLine(record).seq),
      [1, 2, 3],
    );
    await Promise.all([first.close(), second.close()]);
  });
});

/** Tries again as the forwarder does, which reads the positions anew each time: once fenced, once in the new generation. */
async function asForwarder(step: () => Promise<void>): Promise<void> {
  for (let failures = 0; ; failures++) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof Fault) || !error.retryable || failures === 3) throw error;
    }
  }
}
