/** The seam of the Kafka queue on a real broker: each promise of cluster.ts that its rules are built on. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, type TestContext, test } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import type { ClusterTrouble, KafkaCluster, Place, TransactionalProducer } from "../../gateway/queue/kafka/cluster.ts";
import { clusterMissing, connect, decidedEnd, readAll, recordAt, textsOf, untilSettled } from "./cluster-under-test.ts";

const missing = clusterMissing();

describe("a real Kafka broker", { skip: missing ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  /** A topic and a client of the test's own. */
  async function setUp(
    t: TestContext,
    partitions = 1,
    configs = {},
  ): Promise<{ cluster: KafkaCluster; place: Place; producer: (name?: string) => TransactionalProducer }> {
    const topic = `t-${randomBytes(4).toString("hex")}`;
    await brokers.createTopic(topic, { partitions, configs });
    const cluster = await connect(t, brokers.bootstrap);
    const producer = (name = "only") => {
      const made = cluster.producer(`${topic}-${name}`);
      t.after(() => made.close());
      return made;
    };
    return { cluster, place: { topic, partition: 0 }, producer };
  }

  const trouble = (expected: ClusterTrouble) => ({ name: "ClusterError", trouble: expected });

  test("what is committed is there with key, time and headers, and what is aborted is not, also for Kafka's own consumer", async (t) => {
    const { cluster, place, producer } = await setUp(t, 2);
    const one = producer();
    await one.init();
    const other = { ...place, partition: 1 };
    const record = recordAt(place, "1");
    const headers = [
      ["a", "é"],
      ["b", Buffer.from([0, 255])],
      ["a", "again"],
    ] as const;
    await one.send([{ ...record, key: null, headers }, recordAt(other, "2"), recordAt(place, null)]);
    await one.commit();
    await one.send([recordAt(place, "aborted"), recordAt(other, "aborted")]);
    await one.abort();
    await one.send([recordAt(place, "3")]);
    await one.commit();

    const found = await readAll(cluster, place);
    assert.deepEqual(textsOf(found), ["1", "(nothing)", "3"]);
    const [first] = found;
    assert.equal(first?.key, null);
    assert.equal(first?.timestampMs, record.timestampMs);
    assert.deepEqual(
      first?.headers.map(([name, value]) => [name, Buffer.from(value)]),
      headers.map(([name, value]) => [name, Buffer.from(value)]),
    );
    assert.equal(Buffer.from(found[1]?.key ?? "").toString(), "key");
    assert.deepEqual(textsOf(await readAll(cluster, other)), ["2"]);

    const seen = await brokers.witnessed(place.topic);
    assert.deepEqual(
      seen.map(({ partition, offset, value }) => [partition, offset, value]),
      [
        ...found.map(({ offset, value }) => [0, offset, value === null ? null : Buffer.from(value).toString()]),
        [1, 0, "2"],
      ],
    );
  });

  test("send tells the offset of the last record of each partition, and a transaction larger than the client's buffer passes", async (t) => {
    const { cluster, place, producer } = await setUp(t, 3);
    const one = producer();
    await one.init();
    const count = 110_000;
    function* many() {
      for (let at = 0; at < count; at++) yield recordAt({ ...place, partition: at % 2 }, `${at}`);
      yield recordAt({ ...place, partition: 2 }, "alone");
    }
    let turns = 0;
    const ticking = setInterval(() => void turns++, 1);
    const ends = await one.send(many());
    clearInterval(ticking);
    await one.commit();
    assert.ok(turns > 20, `the event loop had ${turns} turns of its own while ${count} records were sent`);

    const offsets = new Map(ends.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]));
    assert.deepEqual(offsets, new Map([0, 1, 2].map((p) => [`${place.topic}/${p}`, p === 2 ? 0 : count / 2 - 1])));
    for (const partition of [0, 1]) {
      const texts = textsOf(await readAll(cluster, { ...place, partition }));
      assert.deepEqual(
        texts,
        Array.from({ length: count / 2 }, (_, at) => `${at * 2 + partition}`),
      );
    }
  });

  test("who takes a transactional id over fences the other, whose open transaction is aborted (I5)", async (t) => {
    const { cluster, place, producer } = await setUp(t);
    const [zombie, owner] = [producer(), producer()];
    await zombie.init();
    await zombie.send([recordAt(place, "zombie")]);
    await owner.init();
    await owner.send([recordAt(place, "owner")]);
    await assert.rejects(zombie.commit(), trouble("fenced"));
    await owner.commit();
    await assert.rejects(zombie.abort(), trouble("fenced"));
    assert.deepEqual(textsOf(await readAll(cluster, place)), ["owner"]);

    const late = producer();
    await late.init();
    await assert.rejects(owner.send([recordAt(place, "1"), recordAt(place, "2")]), trouble("fenced"));
    assert.deepEqual(textsOf(await readAll(cluster, place)), ["owner"]);
  });

  test("a record that only the broker finds too large is told with its partition, and the next transaction passes", async (t) => {
    const { cluster, place, producer } = await setUp(t, 2, { "max.message.bytes": "5000" });
    const one = producer();
    await one.init();
    const small = { ...place, partition: 1 };
    for (const records of [
      [recordAt(small, "1"), recordAt(place, randomBytes(9_000))],
      [recordAt(small, "1"), recordAt(place, randomBytes(9_000)), recordAt(place, "2"), recordAt(small, "3")],
    ]) {
      await assert.rejects(one.send(records), { ...trouble("too-large"), place });
      await one.close();
      await one.init();
    }
    // Beyond the client's own limit.
    await assert.rejects(one.send([recordAt(place, randomBytes(2_000_000))]), { ...trouble("too-large"), place });
    await one.abort();
    await one.send([recordAt(place, "4"), recordAt(small, "5")]);
    await one.commit();
    assert.deepEqual(textsOf(await readAll(cluster, place)), ["4"]);
    assert.deepEqual(textsOf(await readAll(cluster, small)), ["5"]);
  });

  test("topics and partitions that are not there are refused by name, and the transaction can be aborted", async (t) => {
    const { cluster, place, producer } = await setUp(t);
    const one = producer();
    await one.init();
    for (const nowhere of [
      { ...place, partition: 7 },
      { topic: `${place.topic}-nowhere`, partition: 0 },
    ]) {
      await assert.rejects(one.send([recordAt(place, "1"), recordAt(nowhere, "2")]), {
        ...trouble("refused"),
        place: nowhere,
      });
      await one.abort();
      await assert.rejects(cluster.watermarks(nowhere), { ...trouble("refused"), place: nowhere });
    }
    assert.equal((await cluster.topics()).get(`${place.topic}-nowhere`), undefined);
    await one.send([recordAt(place, "3")]);
    await one.commit();
    assert.deepEqual(textsOf(await readAll(cluster, place)), ["3"]);
  });

  test("a span is read exactly, over control records and aborted transactions up to the end", async (t) => {
    const { cluster, place, producer } = await setUp(t);
    assert.deepEqual(await readAll(cluster, place), []);
    const one = producer();
    await one.init();
    for (const [value, isCommitted] of [
      ["0", true],
      ["2", false],
      ["4", true],
      ["6", false],
      ["8", false],
    ] as const) {
      await one.send([recordAt(place, value)]);
      await (isCommitted ? one.commit() : one.abort());
    }
    const end = await decidedEnd(cluster, place);
    assert.equal(end, 10);
    for (let from = 0; from < end; from++) {
      for (let to = from; to <= end; to++) {
        const offsets: number[] = [];
        await cluster.read(place, from, to, ({ offset }) => offsets.push(offset));
        assert.deepEqual(
          offsets,
          [0, 4].filter((offset) => offset >= from && offset < to),
          `from ${from} to ${to}`,
        );
      }
    }
  });

  test("an end that never comes is an error, not a short read, and so is a beginning that retention has passed", async (t) => {
    const { place, producer } = await setUp(t);
    const cluster = await connect(t, brokers.bootstrap, {}, 500);
    const one = producer();
    await one.init();
    await one.send([recordAt(place, "1"), recordAt(place, "2")]);
    await one.commit();
    const end = await decidedEnd(cluster, place);
    const read = (from: number, to: number) => cluster.read(place, from, to, () => {});
    await assert.rejects(read(0, end + 1), { ...trouble("away"), place });
    await assert.rejects(read(end + 5, end + 6), { ...trouble("away"), place });
    await brokers.deleteBefore(place, 1);
    await assert.rejects(read(0, end), { ...trouble("away"), place });
    assert.equal((await cluster.watermarks(place)).low, 1);
    await read(1, end);
  });

  test("the last stable offset waits for an open transaction, and the coordinator tells its state", async (t) => {
    const { cluster, place, producer } = await setUp(t);
    const id = `${place.topic}-only`;
    const one = producer();
    assert.equal(await cluster.transactionState(id), "none");
    await one.init();
    await one.send([recordAt(place, "1")]);
    const { low, stable, high } = await cluster.watermarks(place);
    assert.deepEqual({ low, stable, high }, { low: 0, stable: 0, high: 1 });
    assert.equal(await cluster.transactionState(id), "open");
    await one.commit();
    assert.equal(await cluster.transactionState(id), "committed");
    assert.equal(await decidedEnd(cluster, place), 2);
    await one.send([recordAt(place, "2")]);
    await one.abort();
    assert.equal(await cluster.transactionState(id), "aborted");
    assert.equal(await decidedEnd(cluster, place), 4);
  });

  test("a topic made anew under its old name is another one", async (t) => {
    const { cluster, place } = await setUp(t, 2);
    const before = (await cluster.topics()).get(place.topic);
    assert.equal(before?.partitions, 2);
    await brokers.deleteTopic(place.topic);
    while ((await cluster.topics()).has(place.topic));
    await brokers.createTopic(place.topic);
    let again = (await cluster.topics()).get(place.topic);
    while (again === undefined) again = (await cluster.topics()).get(place.topic);
    assert.notEqual(again.id, before?.id);
    assert.equal(again.partitions, 1);
  });

  test("while the broker hangs a commit answers retry, and asked again it lands once", async (t) => {
    const { cluster, place, producer } = await setUp(t);
    const one = producer();
    await one.init();
    await one.send([recordAt(place, "1")]);
    brokers.pause(1);
    try {
      await assert.rejects(one.commit(), trouble("retry"));
    } finally {
      brokers.resume(1);
    }
    await untilSettled(() => one.commit());
    assert.deepEqual(textsOf(await readAll(cluster, place)), ["1"]);
  });

  test("after the broker was killed and came back a commit asked again lands once, and the leader epoch has grown", async (t) => {
    const { cluster, place, producer } = await setUp(t);
    const one = producer();
    await one.init();
    await one.send([recordAt(place, "1")]);
    await one.commit();
    const before = await cluster.watermarks(place);
    await one.send([recordAt(place, "2"), recordAt(place, "3")]);
    await brokers.kill(1);
    await assert.rejects(one.commit(), trouble("retry"));
    await assert.rejects(cluster.topics(), trouble("away"));
    await assert.rejects(cluster.producer("another").init(), trouble("away"));
    await brokers.start(1);
    await untilSettled(() => one.commit());
    assert.deepEqual(textsOf(await readAll(cluster, place)), ["1", "2", "3"]);
    assert.ok((await cluster.watermarks(place)).leaderEpoch > before.leaderEpoch);
  });
});
