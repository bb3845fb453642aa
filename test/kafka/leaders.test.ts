/** What the order of series rests on, at real brokers: who leads a partition, and how far its log reaches back. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { until } from "../../demo/waiting.ts";
import type { TransactionalProducer } from "../../gateway/queue/kafka/cluster.ts";
import { clusterMissing, connect, decidedEnd, recordAt, untilSettled } from "./cluster-under-test.ts";
import { cutEnd } from "./cut-end.ts";

const missing = clusterMissing() ?? false;

void describe("one broker", { skip: missing }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  void it("tells where the log of an earlier leader ends, behind which its records are lost", async (t) => {
    const [whole, cut] = [
      { topic: "whole", partition: 1 },
      { topic: "cut", partition: 0 },
    ];
    await brokers.createTopic(whole.topic, { partitions: 2 });
    await brokers.createTopic(cut.topic);
    const cluster = await connect(t, brokers.bootstrap);
    const producer = cluster.producer("leaders");
    t.after(() => producer.close());
    await producer.init();
    for (let times = 1; times <= 10; times++) {
      await producer.send([whole, cut].map((place) => recordAt(place, `${times}`)));
      await producer.commit();
    }
    const ends = await Promise.all([whole, cut].map((place) => decidedEnd(cluster, place)));
    const topics = await cluster.topics();
    const led = await cluster.leaders([whole.topic, "absent", cut.topic]);
    assert.deepEqual([...led.keys()].sort(), [cut.topic, whole.topic]);
    const seenEpochs: number[] = [];
    for (const [at, place] of [whole, cut].entries()) {
      const found = led.get(place.topic);
      assert.equal(found?.id, topics.get(place.topic)?.id);
      const { leaderEpoch } = await cluster.watermarks(place);
      assert.equal(found?.leaderEpochs[place.partition], leaderEpoch);
      assert.equal(await cluster.endOfEpoch(place, leaderEpoch), ends[at]);
      seenEpochs.push(leaderEpoch);
    }

    await brokers.kill(1);
    cutEnd(brokers.dataFolder(1), { partition: `${cut.topic}-0`, part: 0.4 });
    await brokers.start(1);
    const after = await until("the broker leads again", () => cluster.watermarks(cut));
    const again = await cluster.leaders([whole.topic, cut.topic]);
    for (const [at, { topic, partition }] of [whole, cut].entries()) {
      assert.ok((again.get(topic)?.leaderEpochs[partition] ?? 0) > (seenEpochs[at] as number));
    }
    assert.equal(await cluster.endOfEpoch(whole, seenEpochs[0] as number), ends[0]);
    assert.ok(after.high < (ends[1] as number));
    assert.equal(await cluster.endOfEpoch(cut, seenEpochs[1] as number), after.high);
    // What another producer writes there does not hide what is gone.
    const other = cluster.producer("other");
    t.after(() => other.close());
    await other.init();
    await other.send(Array.from({ length: 30 }, (_, at) => recordAt(cut, `other ${at}`)));
    assert.equal(await cluster.endOfEpoch(cut, seenEpochs[1] as number), after.high);
    await other.abort();
  });

  void it("tells whose record is undecided, also after the marker that decided it was lost", async (t) => {
    const place = { topic: "marked", partition: 0 };
    await brokers.createTopic(place.topic);
    const cluster = await connect(t, brokers.bootstrap);
    const [one, other] = ["one", "other"].map((id) => cluster.producer(id)) as [
      TransactionalProducer,
      TransactionalProducer,
    ];
    t.after(() => Promise.all([one.close(), other.close()]));
    await other.init();
    await other.send([recordAt(place, "1")]);
    assert.deepEqual(await Promise.all(["one", "other"].map((id) => cluster.openFrom(place, id))), [null, 0]);
    await other.commit();
    await one.init();
    await one.send([recordAt(place, "2"), recordAt(place, "3")]);
    assert.deepEqual(await Promise.all(["one", "other"].map((id) => cluster.openFrom(place, id))), [2, null]);
    await one.commit();
    assert.equal(await decidedEnd(cluster, place), 5);
    assert.equal(await cluster.openFrom(place, "one"), null);
    await brokers.kill(1);
    // Of the marker a byte is missing, so the broker drops it.
    cutEnd(brokers.dataFolder(1), { partition: `${place.topic}-0`, part: 0.0001 });
    await brokers.start(1);
    const { stable, high } = await until("the broker leads again", () => cluster.watermarks(place));
    assert.deepEqual([stable, high], [2, 4]);
    assert.equal(await cluster.openFrom(place, "one"), 2);
    assert.equal(await cluster.transactionState("one"), "committed");
  });
});

void describe("three brokers", { skip: missing }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(3);
  });
  after(() => brokers.stop());

  void it("tell of a new leader at the first question after it has taken a record", async (t) => {
    const place = { topic: "led", partition: 0 };
    await brokers.createTopic(place.topic);
    const cluster = await connect(t, brokers.bootstrap);
    const producer = cluster.producer("leaders");
    t.after(() => producer.close());
    await producer.init();
    /** Sends, and asks at once who leads. */
    const epochOfSend = async (): Promise<number | undefined> => {
      await producer.send([recordAt(place, "x")]);
      const led = await until("leaders answer", () => cluster.leaders([place.topic]));
      await untilSettled(() => producer.commit());
      return led.get(place.topic)?.leaderEpochs[0];
    };
    const epochs = [await epochOfSend()];
    for (const node of [1, 2, 3]) {
      await brokers.kill(node);
      epochs.push(await epochOfSend());
      const { leaderEpoch } = await until("the leader answers", () => cluster.watermarks(place));
      assert.equal(epochs.at(-1), leaderEpoch);
      await brokers.start(node);
    }
    assert.ok(new Set(epochs).size > 1, `no leader changed: ${epochs.join(", ")}`);
  });
});
