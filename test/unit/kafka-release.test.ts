/** When a base may be noted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { takeCheckpoint } from "../../gateway/queue/kafka/shard/release.ts";
import type { Site } from "../../gateway/queue/kafka/shard/term.ts";
import { fakeCluster } from "../fakes/kafka-cluster.ts";

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
