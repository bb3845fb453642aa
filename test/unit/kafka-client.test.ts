/** librdkafka's client without a broker: how it is loaded, what its errors mean, what the producer makes of them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { registerHooks } from "node:module";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  clientTrouble,
  loadLibrdkafka,
  producerTrouble,
  sendTrouble,
} from "../../gateway/queue/kafka/client/librdkafka.ts";
import { openProducer } from "../../gateway/queue/kafka/client/producer.ts";
import type { ClusterTrouble, KafkaRecord, TransactionalProducer } from "../../gateway/queue/kafka/cluster.ts";
import type { Fault } from "../../shared/errors.ts";
import { type FakeLibrdkafka, fakeLibrdkafka, nativeError } from "../fakes/librdkafka.ts";

const trouble = (expected: ClusterTrouble) => ({ name: "ClusterError", trouble: expected });

function record(partition: number, value: string, timestampMs: number | null = null): KafkaRecord {
  return { topic: "t", partition, key: null, value: Buffer.from(value), timestampMs, headers: [] };
}

async function begun(): Promise<{ fake: FakeLibrdkafka; producer: TransactionalProducer }> {
  const fake = fakeLibrdkafka();
  const producer = openProducer({ library: fake.library, properties: {}, transactionalId: "id", answerMs: 10 });
  await producer.init();
  return { fake, producer };
}

test("without the client's binary the fault says what to do, and is not tried again", () => {
  const hooks = registerHooks({
    resolve(name, context, next) {
      if (name === "@confluentinc/kafka-javascript") throw new Error("Cannot find module\nRequire stack: …");
      return next(name, context);
    },
  });
  try {
    assert.throws(
      () => loadLibrdkafka(),
      ({ code, retryable, why, remedy }: Fault) =>
        code === "unavailable" &&
        !retryable &&
        why === "Cannot find module" &&
        /npm install --no-save/.test(remedy ?? ""),
    );
  } finally {
    hooks.deregister();
  }
});

test("in a worker thread, where its callbacks would end the process, the client is not loaded", async () => {
  const file = new URL("../../gateway/queue/kafka/client/librdkafka.ts", import.meta.url).href;
  const script = `import(${JSON.stringify(file)}).then(({ loadLibrdkafka }) => loadLibrdkafka()).then(() => "loaded", (e) => e.code)
    .then((said) => require("node:worker_threads").parentPort.postMessage(said))`;
  const worker = new Worker(script, { eval: true });
  assert.deepEqual(await once(worker, "message"), ["internal"]);
});

test("each error of a call means one way on", () => {
  const cases: [Parameters<typeof nativeError>, ClusterTrouble, ClusterTrouble][] = [
    // While a transaction is begun or ended, and while records are sent.
    [[-185, { isRetriable: true }], "retry", "abort"],
    [[16], "retry", "abort"],
    [[51], "retry", "abort"],
    [[-192, { isTxnRequiresAbort: true }], "abort", "abort"],
    [[-185, { isTxnRequiresAbort: true }], "abort", "abort"],
    [[-144, { isFatal: true }], "fenced", "fenced"],
    [[47], "fenced", "fenced"],
    [[90], "fenced", "fenced"],
    [[49, { isFatal: true }], "restart", "abort"],
    [[-195, { isFatal: true }], "restart", "abort"],
    [[-172], "restart", "abort"],
    [[10, { isTxnRequiresAbort: true }], "too-large", "too-large"],
    [[29, { isTxnRequiresAbort: true }], "refused", "refused"],
    [[53, { isFatal: true }], "refused", "refused"],
    [[3], "refused", "refused"],
    [[-190], "refused", "refused"],
  ];
  for (const [given, ended, sent] of cases) {
    const error = nativeError(...given);
    assert.equal(producerTrouble(error), ended, JSON.stringify(given));
    assert.equal(sendTrouble(error), sent, JSON.stringify(given));
  }
  assert.equal(producerTrouble(new Error("not of librdkafka")), "restart");
  assert.equal(clientTrouble(nativeError(58)), "refused");
  assert.equal(clientTrouble(nativeError(-195)), "away");
});

test("a commit that must be aborted may have landed all the same, so it is a restart: nothing is sent twice (I5)", async () => {
  const { fake, producer } = await begun();
  await producer.send([record(0, "1")]);
  fake.script("commitTransaction", [
    nativeError(-185, { isRetriable: true }),
    nativeError(-185, { isTxnRequiresAbort: true }),
  ]);
  await assert.rejects(producer.commit(), trouble("retry"));
  await assert.rejects(producer.commit(), trouble("restart"));
});

test("the order in each partition is kept, only the last records are reported, and a full buffer is waited for", async () => {
  const { fake, producer } = await begun();
  const full = nativeError(-184);
  fake.script("produce", [null, full, full, null, full]);
  const records = Array.from({ length: 1_200 }, (_, at) => record(at % 3, `${at}`));
  const ends = await producer.send([...records, record(7, "alone")]);
  assert.deepEqual(
    ends.map(({ partition, offset }) => [partition, offset]),
    [...[0, 1, 2].map((partition) => [partition, 399]), [7, 0]],
  );
  for (const partition of [0, 1, 2]) {
    const values = fake.produced.filter((one) => one.startsWith(`t/${partition} `));
    assert.deepEqual(
      values,
      Array.from({ length: 400 }, (_, at) => `t/${partition} ${at * 3 + partition}`),
    );
  }
  assert.equal(fake.reported(), 4);
});

test("a flush that lasts goes on, and ends with the reason when the transaction has failed", async () => {
  const { fake, producer } = await begun();
  const late = nativeError(-185);
  fake.script("flush", [late, late]);
  await producer.send([record(0, "1"), record(0, "2")]);
  await producer.commit();

  const again = await begun();
  const { topic, partition } = record(3, "");
  const reason = Object.assign(nativeError(10), { message: "ProduceRequest for t [3] with 2 message(s) failed" });
  again.fake.script("flush", [late]);
  again.fake.script("beginTransaction", [null, reason]);
  await assert.rejects(again.producer.send([record(3, "1"), record(3, "2")]), {
    ...trouble("too-large"),
    place: { topic, partition },
  });
});

test("I8: a report that never comes is waited for no longer than a broker's answer, and then the transaction is aborted", async () => {
  const { fake, producer } = await begun();
  fake.loseReports();
  await assert.rejects(producer.send([record(0, "1"), record(1, "2")]), {
    ...trouble("abort"),
    message: /not reported within 10 ms/,
  });
  await producer.abort();
  const again = await begun();
  assert.equal((await again.producer.send([record(0, "1"), record(1, "2")])).length, 2);
});

test("a reading of the first millisecond of 1970 is not stamped with the present", async () => {
  const { fake, producer } = await begun();
  await producer.send([record(0, "1", 0), record(1, "2", null), record(2, "3", 5)]);
  assert.deepEqual(fake.timestamps, [1, null, 5]);
});

test("a producer that is closed, or was never initialised, sends nothing", async () => {
  const { fake, producer } = await begun();
  await producer.close();
  await assert.rejects(producer.send([record(0, "1")]), trouble("restart"));
  await producer.abort();
  await producer.close();
  assert.deepEqual(fake.produced, []);
});
