/** The Kafka queue on real brokers: the queue's contract suite, and what only real brokers show. */
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import type { KafkaCluster } from "../../gateway/queue/kafka/cluster.ts";
import { openKafka } from "../../gateway/queue/kafka/open.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { realEnv } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import { queueContract } from "../contract/queue.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { kafkaLine } from "../fakes/kafka-lines.ts";
import { openTestQueue, type QueueTopics } from "../fakes/kafka-queue.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { clusterMissing, connect, readAll } from "./cluster-under-test.ts";
import { makeTopics, type Open, realQueue, settingsOf, shown } from "./queue-under-test.ts";

const missing = clusterMissing();
let brokers: Brokers;

before(async () => {
  if (missing === undefined) brokers = await startBrokers(1);
});
after(() => brokers?.stop());

queueContract("Kafka, one broker", (t) => missing ?? realQueue(t, brokers, 1, openTestQueue));

queueContract("Kafka, three shards, opened from settings", (t) => {
  const { signal } = new AbortController();
  const open: Open = (_, topics, groupId) => {
    return openKafka({ settings: settingsOf(brokers, topics), env: realEnv(), log: silent, groupId, signal });
  };
  return missing ?? realQueue(t, brokers, 3, open);
});

void describe("the Kafka queue on a real broker", { skip: missing }, () => {
  const lane = laneOf("pump-17");

  void it("I5: a second gateway takes the shard over, and the first one gives it up", async (t) => {
    const { bootstrap } = brokers;
    const topics = await makeTopics(brokers, 1);
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

void describe("the positions topic", { skip: missing }, () => {
  const lane = laneOf("pump-17");
  const other = laneOf("pump-18");

  async function filled(t: TestContext, policy = "compact") {
    const topics = await makeTopics(brokers, 1, policy);
    const cluster = await connect(t, brokers.bootstrap);
    await shown(cluster, topics.positions);
    const queue = await openTestQueue(cluster, topics, null);
    await queue.commit([readings(lane, 1, [1, 2])], [positionOf(lane, 1, 2)]);
    await queue.commit([readings(other, 5, [5])], [positionOf(other, 5, 5)]);
    await queue.close();
    return { topics, cluster, groupId: queue.groupId };
  }

  async function madeAgain({ positions }: QueueTopics, cluster: KafkaCluster): Promise<void> {
    const { createTopic, deleteTopic } = brokers;
    const before = (await cluster.topics()).get(positions)?.id;
    await deleteTopic(positions);
    while ((await cluster.topics()).has(positions)) await new Promise((resolve) => setTimeout(resolve, 20));
    await createTopic(positions, { configs: { "cleanup.policy": "compact" } });
    await shown(cluster, positions);
    assert.notEqual((await cluster.topics()).get(positions)?.id, before);
  }

  const seqsIn = (queue: Queue) =>
    [lane, other].map((one) => queue.forwarded(one).map((range) => [range.first, range.last]));

  void it("I5: lost and made again, is refused, and rebuilt from the data and what the journal remembers", async (t) => {
    const { topics, cluster, groupId } = await filled(t);
    await madeAgain(topics, cluster);
    await assert.rejects(openTestQueue(cluster, topics, groupId), { code: "damaged", retryable: false });
    const open = { env: realEnv(), log: silent, groupId, signal: new AbortController().signal };
    const settings = { ...settingsOf(brokers, topics), shards: 1 };
    const rebuild = [positionOf(other, 1, 4)];
    const rebuilt = await openKafka({ ...open, settings, rebuild });
    assert.deepEqual(seqsIn(rebuilt), [
      [[1, 2]],
      [
        [1, 4],
        [5, 5],
      ],
    ]);
    await rebuilt.close();
    const again = await openTestQueue(cluster, topics, groupId);
    assert.deepEqual([again.groupId, seqsIn(again)], [groupId, seqsIn(again)]);
    assert.deepEqual(seqsIn(again)[0], [[1, 2]]);
    await again.close();
    await assert.rejects(openKafka({ ...open, settings, rebuild }), { code: "usage" });
  });

  void it("with a record of somebody else, or without its beginning, is refused with what to do", async (t) => {
    const one = await filled(t);
    const { deleteBefore } = brokers;
    const place = { topic: one.topics.positions, partition: 0 };
    const stranger = one.cluster.producer("stranger");
    await stranger.init();
    await stranger.send([{ ...place, key: Buffer.from("a"), value: Buffer.from("b"), timestampMs: null, headers: [] }]);
    await stranger.commit();
    await stranger.close();
    const refused = { code: "damaged", retryable: false, remedy: /positions rebuild/ };
    await assert.rejects(openTestQueue(one.cluster, one.topics, one.groupId), refused);
    // Kafka lets nobody do so while the topic is compacted and no more.
    const two = await filled(t, "compact,delete");
    await deleteBefore({ ...place, topic: two.topics.positions }, 2);
    await assert.rejects(openTestQueue(two.cluster, two.topics, two.groupId), refused);
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
