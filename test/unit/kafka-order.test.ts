/** Order of a series in its partition where a cluster in memory loses the end of it. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { KafkaCluster } from "../../gateway/queue/kafka/cluster.ts";
import { nameReader } from "../../gateway/queue/kafka/records/record-names.ts";
import { type FakeCluster, fakeCluster } from "../fakes/kafka-cluster.ts";
import { openTestQueue, topicsIn } from "../fakes/kafka-queue.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";

const topics = topicsIn("holdfast");
const lane = laneOf("pump-17");
const place = { topic: topics.readings, partition: 0 };
/** No look at what has settled comes while a test runs. */
const settleMs = 3_600_000;

interface Line {
  readonly fake: FakeCluster;
  /** Commits one reading. */
  readonly commit: (seq: number) => Promise<void>;
  /** The seqs that stand in the partition. */
  readonly seqs: () => number[];
}

/** A queue that has committed reading 1; `change` stands between it and the cluster from then on. */
async function begun(
  t: TestContext,
  change: (cluster: KafkaCluster, fake: FakeCluster) => Partial<KafkaCluster> = () => ({}),
): Promise<Line> {
  const { positions, losses, deadLetters } = topics;
  const fake = fakeCluster({
    topics: { [place.topic]: 1, [losses]: 1, [deadLetters]: 1, [positions]: 1 },
    nowMs: () => performance.now(),
  });
  const made = await openTestQueue(fake.connect(), topics, null);
  await made.close();
  const cluster = fake.connect();
  const queue = await openTestQueue({ ...cluster, ...change(cluster, fake) }, topics, made.groupId, { settleMs });
  t.after(() => queue.close());
  const commit = (seq: number) => queue.commit([readings(lane, seq, [seq])], [positionOf(lane, 1, seq)]);
  const nameOf = nameReader();
  const seqs = (): number[] =>
    fake.committed(place).flatMap(({ headers }) => {
      const name = nameOf(headers);
      return name === undefined || name === "foreign" ? [] : name.first;
    });
  await commit(1);
  return { fake, commit, seqs };
}

const lastOffset = (fake: FakeCluster): number => fake.committed(place).at(-1)?.offset ?? 0;
const refused = { name: "Fault", code: "unavailable", retryable: true, why: /records are gone/ };

void describe("a partition that lost its end", () => {
  void it("I5: gets nothing younger behind it: the transaction is aborted", async (t) => {
    const { fake, commit, seqs } = await begun(t);
    await commit(2);
    fake.loseFrom(place, lastOffset(fake));
    await assert.rejects(commit(3), refused);
    assert.deepEqual(seqs(), [1]);
  });

  void it("I5: gets nothing younger where it lost the newest record before the commit, which goes on", async (t) => {
    let isArmed = false;
    const { commit, seqs } = await begun(t, (cluster, fake) => ({
      async leaders(names) {
        // The marker of the commit is still to come, so the record is the last that stands there.
        if (isArmed) fake.loseFrom(place, (await cluster.watermarks(place)).high - 1);
        isArmed = false;
        return await cluster.leaders(names);
      },
    }));
    isArmed = true;
    await commit(2);
    assert.deepEqual(seqs(), [1]);
    await assert.rejects(commit(3), refused);
    assert.deepEqual(seqs(), [1]);
  });

  void it("I5: is not one of the topic that was made anew: nothing is committed there by this term", async (t) => {
    const { fake, commit, seqs } = await begun(t);
    fake.recreate(place.topic);
    await assert.rejects(commit(2), refused);
    assert.deepEqual(seqs(), []);
  });
});

void it("new leaders that lost nothing hold nothing up, and each commit asks once for all partitions", async (t) => {
  let questions = 0;
  const { fake, commit, seqs } = await begun(t, (cluster) => ({
    leaders(names) {
      questions++;
      return cluster.leaders(names);
    },
  }));
  const before = questions;
  for (let seq = 2; seq <= 6; seq++) {
    if (seq % 2 === 0) fake.moveLeaders(0);
    await commit(seq);
  }
  assert.deepEqual(seqs(), [1, 2, 3, 4, 5, 6]);
  assert.equal(questions - before, 5);
});
