/** What the Kafka queue refuses when it is opened, on a cluster in memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { until } from "../../demo/waiting.ts";
import { Fault } from "../../shared/errors.ts";
import { type FakeCluster, fakeCluster } from "../fakes/kafka-cluster.ts";
import { openTestQueue, topicsIn } from "../fakes/kafka-queue.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";

const topics = topicsIn("holdfast");
const lane = laneOf("pump-17");

function clusterNamed(clusterId: () => string, shards = 1): FakeCluster {
  const { readings, losses, deadLetters, positions } = topics;
  return fakeCluster({
    topics: { [readings]: 1, [losses]: 1, [deadLetters]: 1, [positions]: shards },
    nowMs: () => performance.now(),
    clusterId,
  });
}

void describe("the opening of a Kafka queue", () => {
  void it("I4: refuses topics that were moved to another cluster until the operator confirms it, once", async () => {
    let clusterId = "first";
    const cluster = clusterNamed(() => clusterId);
    const made = await openTestQueue(cluster.connect(), topics, null);
    await made.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
    await made.close();
    clusterId = "second";
    const refused = { code: "config", what: /belongs to the cluster first, and this is second/ };
    await assert.rejects(openTestQueue(cluster.connect(), topics, made.groupId), refused);
    await assert.rejects(openTestQueue(cluster.connect(), topics, null, { confirmCluster: "third" }), refused);
    const moved = await openTestQueue(cluster.connect(), topics, made.groupId, { confirmCluster: "second" });
    assert.deepEqual([moved.groupId, moved.queueId, moved.forwarded(lane).length], [made.groupId, made.queueId, 1]);
    await moved.close();
    await (await openTestQueue(cluster.connect(), topics, made.groupId)).close();
  });

  void it("I4: refuses an empty topic where a group is known, and the queue of another namespace", async () => {
    const cluster = clusterNamed(() => "one");
    await assert.rejects(openTestQueue(cluster.connect(), topics, "e".repeat(32)), {
      code: "damaged",
      retryable: false,
      why: /it is empty/,
    });
    const made = await openTestQueue(cluster.connect(), topics, null);
    await made.close();
    const other = { ...topics, namespace: "other" };
    await assert.rejects(openTestQueue(cluster.connect(), other, made.groupId), {
      code: "config",
      what: /belongs to namespace holdfast with 1 shards/,
    });
  });

  void it("I4: does not begin another queue where the topic is deleted and made again under the gateway that made it", async (t) => {
    const cluster = clusterNamed(() => "one");
    const made = await openTestQueue(cluster.connect(), topics, null);
    t.after(() => made.close());
    await made.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
    cluster.recreate(topics.positions);
    // It finds out by its look at what has settled, and then begins anew.
    const refusal = await until("it refuses", async () => {
      const outcome = made.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
      return await outcome.then(
        () => undefined,
        (error: unknown) => (error instanceof Fault && !error.retryable ? error : undefined),
      );
    });
    assert.equal(refusal.code, "damaged");
  });

  void it("refuses a cluster without the positions topic, and says how to make it", async () => {
    const cluster = fakeCluster({ topics: { other: 1 }, nowMs: () => performance.now() });
    await assert.rejects(openTestQueue(cluster.connect(), topics, null), { code: "config", remedy: /cleanup.policy/ });
  });
});
