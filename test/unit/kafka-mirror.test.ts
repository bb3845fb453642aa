/** What a standby that a mirror keeps holds back, and when a queue that was moved there refuses the mirror. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import pino from "pino";
import { sleep, until } from "../../demo/waiting.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { type FakeCluster, fakeCluster } from "../fakes/kafka-cluster.ts";
import { openTestQueue, topicsIn } from "../fakes/kafka-queue.ts";
import { fakeMirrorMaker } from "../fakes/mirror-maker.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";

const topics = topicsIn("holdfast");
const lane = laneOf("pump-17");
const settleMs = 20;
/** Rounds of the watch and looks of the release, a few of each. */
const fewRoundsMs = 10 * settleMs;

function clusterNamed(name: string): FakeCluster {
  const { readings: data, losses, deadLetters, positions } = topics;
  const nowMs = (): number => performance.now();
  return fakeCluster({
    topics: { [data]: 1, [losses]: 1, [deadLetters]: 1, [positions]: 1 },
    nowMs,
    clusterId: () => name,
  });
}

/** Two clusters and what copies the first to the second, topic by topic. */
function pair() {
  const [a, b] = [clusterNamed("A"), clusterNamed("B")];
  const maker = fakeMirrorMaker(a, b, () => []);
  const copy = (...names: string[]): void => {
    for (const topic of names) maker.copy({ topic, partition: 0 }, 1_000, "goes on");
  };
  const log: string[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void log.push(line) });
  return { a, b, log, logger, copy, copyAll: () => copy(topics.readings, topics.positions) };
}

/** A queue on A whose identity is on B already. */
async function opened(t: TestContext, { a, b, logger, copyAll }: ReturnType<typeof pair>): Promise<Queue> {
  const copying = setInterval(copyAll, 5);
  t.after(() => clearInterval(copying));
  const queue = await openTestQueue(a.connect(), topics, null, { mirror: b.connect(), log: logger, settleMs });
  t.after(() => queue.close());
  await queue.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
  await until("the first step is released", () => queue.progress().released >= 1);
  clearInterval(copying);
  copyAll();
  return queue;
}

async function stays(queue: Queue, released: number): Promise<void> {
  await sleep(fewRoundsMs);
  assert.equal(queue.progress().released, released);
}

void describe("a standby that a mirror keeps", () => {
  void it("I5: releases nothing before every name stands there, whatever its positions say", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    await stays(queue, 1);
    clusters.copy(topics.positions);
    await stays(queue, 1);
    clusters.copy(topics.readings);
    await until("it is released", () => queue.progress().released === 2);
  });

  void it("I5: nor before the positions stand there", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    clusters.copy(topics.readings);
    await stays(queue, 1);
    clusters.copy(topics.positions);
    await until("it is released", () => queue.progress().released === 2);
  });

  void it("I5: does not count what its brokers could still lose", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    clusters.copyAll();
    // A new leader again and again: what was there under one of them is not known to be there under the next.
    const moving = setInterval(() => clusters.b.moveLeaders(settleMs), settleMs / 4);
    t.after(() => clearInterval(moving));
    await stays(queue, 1);
    clearInterval(moving);
    await until("it is released", () => queue.progress().released === 2);
  });

  void it("I5: is read again from its beginning where its topics were made anew", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    const place = { topic: topics.readings, partition: 0 };
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    clusters.copy(topics.readings);
    await stays(queue, 1);
    clusters.b.recreate(topics.readings);
    clusters.copy(topics.positions);
    await stays(queue, 1);
    for (const record of clusters.a.committed(place)) clusters.b.write(place, record);
    await until("it is released", () => queue.progress().released === 2);
    assert.match(clusters.log.join(""), /was made anew/);
  });

  void it("that is the queue's own cluster is refused", async (t) => {
    const clusters = pair();
    const opening = openTestQueue(clusters.a.connect(), topics, null, {
      mirror: clusters.a.connect(),
      log: clusters.logger,
      signal: t.signal,
    });
    opening.catch(() => undefined);
    await until("it says so", () => clusters.log.join("").includes("the standby is the cluster of the queue itself"));
  });

  void it("that is away is said, and waited for", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    assert.equal(queue.holdsBack?.(), null);
    clusters.b.setAway(true);
    await until("it is said", () => /the standby cannot be read/.test(queue.holdsBack?.() ?? ""));
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    await stays(queue, 1);
    clusters.b.setAway(false);
    clusters.copyAll();
    await until("it is released", () => queue.progress().released === 2);
    assert.equal(queue.holdsBack?.(), null);
  });

  void it("I5: takes the queue, and sends what it lacks and nothing else", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    clusters.copy(topics.readings);
    await queue.commit([readings(lane, 3, [3])], [positionOf(lane, 1, 3)]);
    clusters.copy(topics.positions);
    const { groupId } = queue;
    await queue.close();
    const moved = await openTestQueue(clusters.b.connect(), topics, groupId, { confirmCluster: "B", settleMs });
    t.after(() => moved.close());
    const known = moved.forwarded(lane).flatMap(({ first, last }) => seqs(first, last));
    assert.deepEqual(known, [1, 2]);
  });

  void it("I5: is believed what was released, and no copied position, where retention has passed the base", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    clusters.copy(topics.positions);
    clusters.b.deleteBefore({ topic: topics.readings, partition: 0 }, 1);
    const { groupId } = queue;
    await queue.close();
    const more = { confirmCluster: "B", log: clusters.logger, settleMs };
    const moved = await openTestQueue(clusters.b.connect(), topics, groupId, more);
    t.after(() => moved.close());
    assert.match(clusters.log.join(""), /retention has passed the base/);
    assert.deepEqual(
      moved.forwarded(lane).flatMap(({ first, last }) => seqs(first, last)),
      [1],
    );
  });

  void it("I5: gives the queue back to a cluster that was seeded from it", async (t) => {
    const clusters = pair();
    const first = await opened(t, clusters);
    const { groupId } = first;
    await first.close();
    const { a, b, logger: log } = clusters;
    const there = await openTestQueue(b.connect(), topics, groupId, { confirmCluster: "B", settleMs });
    await there.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    await there.close();
    for (const topic of Object.values(topics)) if (topic !== topics.namespace) a.recreate(topic);
    const back = fakeMirrorMaker(b, a, () => []);
    const copying = setInterval(() => {
      for (const topic of [topics.readings, topics.positions]) back.copy({ topic, partition: 0 }, 1_000, "goes on");
    }, 5);
    t.after(() => clearInterval(copying));
    const mirrored = await openTestQueue(b.connect(), topics, groupId, { mirror: a.connect(), settleMs, log });
    await mirrored.commit([readings(lane, 3, [3])], [positionOf(lane, 1, 3)]);
    await until("it is released", () => mirrored.progress().released === 1);
    await mirrored.close();
    clearInterval(copying);
    const home = await openTestQueue(a.connect(), topics, groupId, { confirmCluster: "A", settleMs });
    t.after(() => home.close());
    assert.deepEqual(
      home.forwarded(lane).flatMap(({ first: from, last }) => seqs(from, last)),
      [1, 2, 3],
    );
    await home.commit([readings(lane, 4, [4])], [positionOf(lane, 1, 4)]);
    await until("it is released", () => home.progress().released === 1);
  });

  void it("says what it holds twice: that there is something, and once the queue is moved, what", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    const place = { topic: topics.readings, partition: 0 };
    await queue.commit([readings(lane, 2, [2, 3])], [positionOf(lane, 1, 3)]);
    clusters.copy(topics.readings);
    for (const record of clusters.a.committed(place).slice(1)) clusters.b.write(place, record);
    await until("it is said", () => clusters.log.join("").includes("the standby holds records twice"));
    const { groupId } = queue;
    await queue.close();
    const more = { confirmCluster: "B", log: clusters.logger, settleMs };
    const moved = await openTestQueue(clusters.b.connect(), topics, groupId, more);
    t.after(() => moved.close());
    assert.match(clusters.log.join(""), /"names":\["pump-17\/telemetry\/0123456789abcdef\/2-3"\]/);
  });

  void it("I5: refuses a mirror that copies behind what was written there since the queue was moved", async (t) => {
    const clusters = pair();
    const queue = await opened(t, clusters);
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    const { groupId } = queue;
    await queue.close();
    const open = () => openTestQueue(clusters.b.connect(), topics, groupId, { confirmCluster: "B", settleMs });
    const moved = await open();
    t.after(() => moved.close());
    await moved.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
    await until("it is released", () => moved.progress().released === 1);
    clusters.copyAll();
    let seq = 3;
    const refused = { code: "damaged", why: /MirrorMaker runs/, remedy: /stop MirrorMaker/ };
    await until("it is refused", () =>
      moved.commit([readings(lane, seq, [seq])], [positionOf(lane, 1, seq++)]).then(
        () => false,
        (error: unknown) => (error as { code?: string }).code === "damaged",
      ),
    );
    await assert.rejects(open(), refused);
  });
});

function seqs(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}
