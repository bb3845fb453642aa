/** When a base may be noted, and when it may be released. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { takeCheckpoint, verifyCheckpoint } from "../../gateway/queue/kafka/shard/release.ts";
import type { Entry } from "../../gateway/queue/kafka/shard/scan.ts";
import type { Site } from "../../gateway/queue/kafka/shard/term.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { fakeCluster } from "../fakes/kafka-cluster.ts";
import { readingsOutcome } from "../fakes/kafka-records.ts";
import { countedFormat, dataTopic } from "../sim/kafka/counted-format.ts";

test("I5: nothing is noted for a release while a lost marker leaves it undecided: the next one must settle first", async () => {
  const [data, positions] = [
    { topic: "data", partition: 0 },
    { topic: "positions", partition: 0 },
  ];
  const fake = fakeCluster({ topics: { data: 1, positions: 1 }, nowMs: () => 0 });
  const cluster = fake.connect();
  const producer = cluster.producer("holdfast-0");
  await producer.init();
  const send = async () => {
    const rest = { key: null, value: Buffer.from("x"), timestampMs: null, headers: [] };
    const sent = await producer.send([data, positions].map((place) => ({ ...place, ...rest })));
    await producer.commit();
    const { offset = 0 } = sent.find(({ topic }) => topic === "data") ?? {};
    return { ...data, offset, t: 1 };
  };
  const entry = await send();
  const note = async () => {
    const known = { lanes: new Map(), replays: [], floors: [], moves: 0 };
    const state = { takenMs: 0, t: 1, positionsFrom: 0, entries: [entry], ...known };
    return takeCheckpoint({ cluster, positions } as Site, await cluster.topics(), () => 0, state);
  };
  const noted = await note();
  assert.ok(!("undecided" in noted));
  assert.equal(noted.anchors[0]?.last?.offset, entry.offset);
  fake.loseFrom(data, entry.offset + 1);
  assert.deepEqual(await note(), { undecided: data, offset: entry.offset });
  await send();
  assert.ok(!("undecided" in (await note())));
});

test("I5: positions that lost their beginning end the term, whether before a base is noted or before it is released", async () => {
  const positions = { topic: "positions", partition: 0 };
  const fake = fakeCluster({ topics: { positions: 1 }, nowMs: () => 0 });
  const cluster = fake.connect();
  const producer = cluster.producer("holdfast-1");
  await producer.init();
  await producer.send([{ ...positions, key: null, value: null, timestampMs: null, headers: [] }]);
  await producer.commit();
  const site = { cluster, positions, namespace: "holdfast", shard: 1 } as unknown as Site;
  const known = { lanes: new Map(), replays: [], floors: [], moves: 0 };
  const state = { takenMs: 0, t: 1, positionsFrom: 1, entries: [], ...known };
  const note = async () => takeCheckpoint(site, new Map(), () => 0, state);
  const noted = await note();
  assert.ok(!("undecided" in noted));
  fake.deleteBefore(positions, 1);
  assert.equal(await verifyCheckpoint(site, noted, [], 0), "lost");
  await assert.rejects(note(), { trouble: "restart", message: /lost their beginning/ });
});

test("I5: a record that was lost is missed, though a younger transaction stands in its place with all that came after", async () => {
  const namespace = "holdfast";
  const place = { topic: dataTopic, partition: 0 };
  const positions = { topic: "positions", partition: 0 };
  const fake = fakeCluster({ topics: { [dataTopic]: 1, positions: 1 }, nowMs: () => 0 });
  const cluster = fake.connect();
  const producer = cluster.producer("holdfast-1");
  await producer.init();
  const format = countedFormat(namespace, 1);
  const lane = agentLane({ agent: "pump-17", store: 1 });
  const send = async (t: number) => {
    const outcome = { ...readingsOutcome([{ name: "level", timeUs: 1e15, value: 1, stamped: true }]), lane: lane.lane };
    const records = format.records([outcome], { shard: 1, t, nowMs: 0, partitionsOf: () => 1, onDeadLetter() {} });
    const [sent] = await producer.send(records);
    await producer.commit();
    return { ...place, offset: sent?.offset ?? 0, t };
  };
  const site = { cluster, positions, format, namespace, shard: 1 } as unknown as Site;
  const verdict = async (entries: readonly Entry[]) => {
    const known = { lanes: new Map(), replays: [], floors: [], moves: 0 };
    const state = { takenMs: 0, t: 9, positionsFrom: 0, entries: [...entries], ...known };
    const checkpoint = await takeCheckpoint(site, await cluster.topics(), () => 0, state);
    assert.ok(!("undecided" in checkpoint));
    return await verifyCheckpoint(site, checkpoint, entries, 0);
  };
  const entries = [await send(1), await send(2)];
  assert.equal(await verdict(entries), "stands");
  fake.loseFrom(place, entries[1]?.offset ?? 0);
  const younger = [await send(3), await send(4)];
  assert.equal(younger[0]?.offset, entries[1]?.offset);
  assert.equal(await verdict([...entries, ...younger]), "lost");
  assert.equal(await verdict([...entries.slice(0, 1), ...younger]), "stands");
});
