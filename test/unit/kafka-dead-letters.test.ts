/** Replays of dead letters, on a cluster in memory. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { crc32 } from "node:zlib";
import { type FoundLetter, letterId, spanOfId } from "../../gateway/queue/dead-letters.ts";
import { lettersIn } from "../../gateway/queue/kafka/letters.ts";
import { nameReader } from "../../gateway/queue/kafka/records/record-names.ts";
import type { Outcome, Queue } from "../../gateway/queue/queue.ts";
import { openReplayer, readWishes, type Wish } from "../../gateway/replay-letters.ts";
import { fakeCluster } from "../fakes/kafka-cluster.ts";
import { kafkaLine } from "../fakes/kafka-lines.ts";
import { openTestQueue, testFormat, topicsIn } from "../fakes/kafka-queue.ts";
import { counted, deadOutcome, headersOf, lane, readingsOutcome } from "../fakes/kafka-records.ts";
import { positionOf } from "../fakes/outcomes.ts";
import { until } from "../fakes/queue-folder.ts";

const topics = topicsIn("holdfast");
const { readings: topic, losses, deadLetters, positions } = topics;
const partitions = 3;

/** A dead letter of three readings, which nothing is wrong with by now. */
const whole = readingsOutcome(counted("a", "b", "c"));
const id = letterId(lane, { first: 1, last: 3 });

function damaged(outcome: Outcome): Outcome {
  const bytes = Buffer.from("what");
  return deadOutcome({ ...outcome, block: { ...outcome.block, bytes, crc: crc32(bytes) } }, "odd");
}

/** A queue with one dead letter. */
async function setUp(t: TestContext, dead = deadOutcome(whole, "no codec")) {
  const nowMs = () => performance.now();
  const cluster = fakeCluster({
    topics: { [topic]: partitions, [losses]: 1, [deadLetters]: 1, [positions]: 1 },
    nowMs,
  });
  const open = async (groupId: string | null, more = {}): Promise<Queue> => {
    const queue = await openTestQueue(cluster.connect(), topics, groupId, more);
    t.after(() => queue.close());
    return queue;
  };
  const queue = await open(null);
  await queue.commit([dead], [positionOf(lane, 1, 3)]);
  const listed = async () => {
    const source = { cluster: cluster.connect(), deadLetterTopic: deadLetters, positionsTopic: positions };
    const found: FoundLetter[] = [];
    for await (const one of lettersIn({ ...source, namespace: "holdfast", nameOf: nameReader() })) found.push(one);
    return found;
  };
  const records = () => [0, 1, 2].flatMap((partition) => cluster.committed({ topic, partition }));
  const wishes = async (): Promise<Wish[]> => (await listed()).map(({ letter, place }) => ({ id: letter.id, place }));
  return { cluster, queue, open, listed, records, wishes };
}

void describe("a dead letter", () => {
  void it("is named by the seqs that it settles, for ever", () => {
    assert.equal(id, "pump-17/telemetry/0123456789abcdef/1-3");
    assert.deepEqual(spanOfId(id), { first: 1, last: 3 });
    const bad = [
      "",
      "a/b/c",
      "a/b/0123456789abcdef/0-3",
      `${id}/`,
      "a/b/0123456789abcdef/3-1",
      "a b/c/0123456789abcdef/1-1",
    ];
    bad.push("a/b/0123456789abcdef/1-9999999999999999", "a/b/0123456789ABCDEF/1-1", "../b/0123456789abcdef/1-1");
    for (const text of bad) assert.equal(spanOfId(text), undefined, text);
  });

  void it("I4: is replayed once, with its readings, its id in their headers, and when in the refusal of a second one", async (t) => {
    const { queue, open, listed, records, wishes } = await setUp(t);
    assert.deepEqual(
      (await listed()).map(({ letter, state }) => [letter.id, letter.reason, state]),
      [[id, "no codec", "open"]],
    );
    const replayer = openReplayer(queue);
    assert.deepEqual(await replayer.replay(await wishes()), [{ id, seqs: 3, fault: null }]);
    assert.equal(replayer.replayed(), 1);
    assert.deepEqual(
      records()
        .map((record) => [kafkaLine(record).seq, kafkaLine(record).value, headersOf(record).replay])
        .sort(),
      [
        [1, 1, id],
        [2, 2, id],
        [3, 3, id],
      ],
    );
    // The release that was waited for is in memory until the next transaction.
    await queue.commit([], []);
    assert.equal((await listed())[0]?.state, "replayed");
    const refused = async (by: Queue) => {
      const [answer] = await openReplayer(by).replay(await wishes());
      assert.equal(answer?.fault?.code, "usage");
      assert.match(answer.fault.what, /it was at 20\d\d-/);
    };
    await refused(queue);
    await queue.close();
    const again = await open(queue.groupId);
    await refused(again);
    assert.equal(records().length, 3);
  });

  void it("I4: whose replay lost its end with a partition gets only that again", async (t) => {
    const { cluster, queue, open, records, wishes } = await setUp(t);
    await openReplayer(queue).replay(await wishes());
    const { groupId } = queue;
    await queue.close();
    const [last] = records().filter((record) => kafkaLine(record).seq === 3);
    assert.ok(last !== undefined);
    assert.ok(
      records().some(({ partition }) => partition !== last.partition),
      "the other partitions keep theirs",
    );
    const place = { topic, partition: last.partition };
    cluster.loseFrom(place, last.offset);
    const noted = cluster.committed({ topic: positions, partition: 0 });
    const note = noted.find(({ key }) => String(key).includes("replay"));
    cluster.loseFrom({ topic: positions, partition: 0 }, note?.offset ?? 0);
    const again = await open(groupId);
    const [answer] = await openReplayer(again).replay(await wishes());
    assert.equal(answer?.fault, null);
    assert.deepEqual(
      records()
        .map((record) => kafkaLine(record).seq)
        .sort(),
      [1, 2, 3],
    );
  });

  void it("I6: that is one still stays one, and says why", async (t) => {
    const { queue, records, wishes } = await setUp(t, damaged(whole));
    const [answer] = await openReplayer(queue).replay(await wishes());
    assert.equal(answer?.fault?.code, "bad-input");
    assert.match(answer.fault.what, /it cannot be read: /);
    assert.equal(records().length, 0);
  });

  void it("that is too large still stays one, whole, until it fits", async (t) => {
    const { queue, open, records, wishes } = await setUp(t);
    await queue.close();
    let recordBytesMax = 1_150;
    const format = testFormat(topics, () => recordBytesMax);
    const small = await open(queue.groupId, { format });
    const [answer] = await openReplayer(small).replay(await wishes());
    assert.equal(answer?.fault?.code, "too-large");
    assert.match(answer.fault.what, /more than 1150 bytes/);
    assert.equal(records().length, 0);
    recordBytesMax = 100_000;
    assert.equal((await openReplayer(small).replay(await wishes()))[0]?.fault, null);
    assert.equal(records().length, 3);
  });

  void it("I4: is not replayed before it can no longer be lost itself", async (t) => {
    const { queue, open, records, wishes } = await setUp(t);
    await until("all is released", () => queue.progress().released >= queue.progress().committed);
    const patient = await open(queue.groupId, { settleMs: 3_600_000 });
    const second = { ...deadOutcome(readingsOutcome(counted("d"), { first: 4 }), "x") };
    await patient.commit([second], [positionOf(lane, 1, 4)]);
    const [first, young] = await wishes();
    let isAnswered = false;
    const answers = openReplayer(patient).replay([young as Wish]);
    void answers.then(() => (isAnswered = true));
    assert.equal((await patient.deadLetters?.find(id, (first as Wish).place))?.id, id);
    assert.deepEqual([isAnswered, records().length], [false, 0]);
    await patient.close();
    assert.equal((await answers)[0]?.fault?.code, "closed");
  });

  void it("is found at its place alone", async (t) => {
    const { queue } = await setUp(t);
    await until("all is released", () => queue.progress().released >= queue.progress().committed);
    const other = letterId(lane, { first: 1, last: 2 });
    const wishes: Wish[] = [
      { id: other, place: [0, 0] },
      { id, place: [0, 1_000_000] },
    ];
    for (const { fault } of await openReplayer(queue).replay(wishes)) {
      assert.equal(fault?.code, "usage");
      assert.match(fault.what, /there is no dead letter/);
    }
  });
});

void it("wishes of unknown shape are refused", () => {
  const good = { id, place: [0, 7] };
  assert.deepEqual(readWishes([good]), [good]);
  const bad: unknown[] = [
    null,
    7,
    {},
    [],
    [7],
    [null],
    [{ id }],
    [{ ...good, place: [0] }],
    [{ ...good, place: [0, 1, 2] }],
  ];
  bad.push(
    [{ ...good, place: [0, -1] }],
    [{ ...good, id: "x" }],
    Array.from({ length: 101 }, () => good),
  );
  for (const value of bad)
    assert.throws(() => readWishes(value), { name: "Fault", code: "usage" }, JSON.stringify(value));
});
