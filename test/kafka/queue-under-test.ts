/** Queues on real brokers for tests: topics of their own, a queue from settings, and the subject of the contract suite. */
import type { TestContext } from "node:test";
import type { Brokers } from "../../demo/kafka/brokers.ts";
import type { KafkaCluster } from "../../gateway/queue/kafka/cluster.ts";
import type { KafkaSettings } from "../../gateway/queue/kafka/settings.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import type { QueueUnderTest } from "../contract/queue.ts";
import { kafkaLine } from "../fakes/kafka-lines.ts";
import { type QueueTopics, topicsIn } from "../fakes/kafka-queue.ts";
import { connect, readAll } from "./cluster-under-test.ts";

let made = 0;

/** Makes the topics of a queue of its own, with a copy on each broker. */
export async function makeTopics({ createTopic }: Brokers, shards: number, policy = "compact"): Promise<QueueTopics> {
  const topics = topicsIn(`queue-${++made}`);
  const { readings, losses, deadLetters, positions } = topics;
  // The readings are of last January: by default Kafka would delete them at its next look.
  const configs = { "retention.ms": "-1" };
  for (const topic of [readings, losses, deadLetters]) await createTopic(topic, { configs });
  await createTopic(positions, { partitions: shards, configs: { "cleanup.policy": policy } });
  return topics;
}

/** A topic that was just made may take a moment to show. */
export async function shown(cluster: KafkaCluster, topic: string): Promise<void> {
  while (!(await cluster.topics()).has(topic)) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** As a configuration would say it, with three shards. */
export function settingsOf(brokers: Brokers, topics: QueueTopics): KafkaSettings {
  const { namespace, readings, losses, deadLetters, positions } = topics;
  return {
    brokers: brokers.bootstrap.split(","),
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
    replication: brokers.nodes,
    settleMs: 20,
    commitIntervalMs: 0,
    confirmCluster: null,
    security: { tls: null, login: null },
    properties: {},
    standby: null,
  };
}

export type Open = (cluster: KafkaCluster, topics: QueueTopics, groupId: string | null) => Promise<Queue>;

/** A queue for the contract suite, in topics of its own. */
export function realQueue(t: TestContext, brokers: Brokers, shards: number, open: Open): QueueUnderTest {
  let ready: Promise<{ topics: QueueTopics; cluster: KafkaCluster }> | undefined;
  let groupId: string | null = null;
  const make = async () => {
    const topics = await makeTopics(brokers, shards);
    const cluster = await connect(t, brokers.bootstrap);
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
