/** What becomes of a refusal for size: something smaller, or an end. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { ClusterError } from "../../gateway/queue/kafka/cluster.ts";
import { keepRoom } from "../../gateway/queue/kafka/room.ts";
import type { Finding } from "../../gateway/queue/kafka/topics/topic-rules.ts";
import type { Room } from "../../gateway/queue/kafka/topics/topics.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeCluster } from "../fakes/kafka-cluster.ts";
import { kafkaLine } from "../fakes/kafka-lines.ts";
import { openTestQueue, testFormat, topicsIn } from "../fakes/kafka-queue.ts";
import { counted, lane, readingsOutcome } from "../fakes/kafka-records.ts";
import { positionOf } from "../fakes/outcomes.ts";

const first: Room = { recordBytesMax: 999_488, batchBytesMax: 1_000_000 };
const refusedAt = (topic: string) => new ClusterError("too-large", "refused", { topic, partition: 0 });

function roomWith(allowed: Room, findings: readonly Finding[] = []) {
  const inspect = async () => ({ ...allowed, findings });
  return keepRoom({ first, inspect, fixedTopics: ["dead-letters", "positions"], log: silent });
}

it("a topic that takes less than before is believed", async () => {
  const lowered = { recordBytesMax: 19_488, batchBytesMax: 20_000 };
  const room = roomWith(lowered);
  await room.shrink(refusedAt("readings"), room.now());
  assert.deepEqual(room.now(), lowered);
});

it("I9: where the topics allow what was refused, records are halved, and at 16 kB it ends with what to mend", async () => {
  const room = roomWith(first);
  const sizes: number[] = [];
  const shrink = () => room.shrink(refusedAt("readings"), room.now());
  while (room.now().recordBytesMax / 2 >= 16 * 1024) {
    await shrink();
    sizes.push(room.now().recordBytesMax);
    assert.ok(room.now().batchBytesMax <= room.now().recordBytesMax + 512);
  }
  assert.deepEqual(sizes, [499_744, 249_872, 124_936, 62_468, 31_234]);
  await assert.rejects(shrink(), { code: "config", retryable: false, remedy: /message\.max\.bytes/ });
});

it("what another shard has made smaller meanwhile is not made smaller again", async () => {
  const room = roomWith(first);
  const used = room.now();
  await room.shrink(refusedAt("readings"), used);
  await room.shrink(refusedAt("readings"), used);
  assert.equal(room.now().recordBytesMax, 499_744);
});

it("dead letters and positions go alone at first; refused again, they wait for whoever mends the topic", async () => {
  const about = {
    severity: "fault",
    topic: "dead-letters",
    what: "it has max.message.bytes=9",
    why: "",
    remedy: "set it",
  };
  const room = roomWith(first, [about as Finding]);
  await room.shrink(refusedAt("dead-letters"), room.now());
  assert.deepEqual(room.now(), { ...first, batchBytesMax: 16 * 1024 });
  const again = () => room.shrink(refusedAt("dead-letters"), room.now());
  await assert.rejects(again(), { code: "unavailable", retryable: true, why: about.what, remedy: "set it" });
});

it("I6: the line goes on: what a broker refuses becomes a dead letter that says why", async (t) => {
  const topics = topicsIn("holdfast");
  const { readings, losses, deadLetters, positions } = topics;
  const recordBytesMax = 300;
  const cluster = fakeCluster({
    topics: { [readings]: 1, [losses]: 1, [deadLetters]: 1, [positions]: 1 },
    nowMs: () => performance.now(),
    recordBytesMax: (topic) => (topic === readings ? recordBytesMax : Number.POSITIVE_INFINITY),
  });
  const lowered = { recordBytesMax: 1_400, batchBytesMax: 1_400 };
  const room = roomWith(lowered);
  const format = testFormat(topics, () => room.now().recordBytesMax);
  const queue = await openTestQueue(cluster.connect(), topics, null, { room, format });
  t.after(() => queue.close());
  const [small = [], large = []] = [counted("a"), counted("b")];
  const text = "x".repeat(400);
  const both = readingsOutcome([...small, ...large.map((one) => ({ ...one, value: text }))]);
  const commit = () => queue.commit([both], [positionOf(lane, 1, 2)]);
  await assert.rejects(commit(), { code: "unavailable", retryable: true });
  // The first commit of a new term is refused, so that its caller looks at the positions.
  await assert.rejects(commit(), { code: "unavailable", what: "the queue began anew" });
  await commit();
  const lines = [readings, deadLetters].map((topic) => cluster.committed({ topic, partition: 0 }).map(kafkaLine));
  assert.deepEqual(
    lines.map((of) => of.map((line) => line.seq ?? line.firstSeq)),
    [[1], [2]],
  );
  assert.match(lines[1]?.[0]?.reason ?? "", /more than 1400 bytes/);
  assert.equal(queue.deadLetters?.written(), 1);
});
