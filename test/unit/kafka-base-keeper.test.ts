/** How long the keeper of a base waits for what is undecided. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TransactionalProducer } from "../../gateway/queue/kafka/cluster.ts";
import { keepBase } from "../../gateway/queue/kafka/shard/base-keeper.ts";
import type { Site, Term } from "../../gateway/queue/kafka/shard/term.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeCluster } from "../fakes/kafka-cluster.ts";

const data = { topic: "data", partition: 0 };
const positions = { topic: "positions", partition: 0 };
const record = { key: null, value: Buffer.from("x"), timestampMs: null, headers: [] };

/** A keeper whose term has written one transaction, behind a record of another producer's open one. */
async function begun() {
  let nowMs = 0;
  const fake = fakeCluster({ topics: { data: 1, positions: 1 }, nowMs: () => nowMs });
  const cluster = fake.connect();
  const foreign = cluster.producer("foreign");
  await foreign.init();
  await foreign.send([{ ...data, ...record }]);
  const own: TransactionalProducer = cluster.producer("holdfast-0");
  await own.init();
  const ends = await own.send([data, positions].map((place) => ({ ...place, ...record })));
  await own.commit();
  const { offset = 0 } = ends.find(({ topic }) => topic === data.topic) ?? {};
  const maps = { lanes: new Map(), replays: new Map(), floors: new Map() };
  const at = { entries: [{ ...data, offset, t: 1 }], positionsFrom: 0, basedMs: 0, releasedT: 0 };
  const term = { topics: await cluster.topics(), record: { t: 1, baseT: 0, bases: {} }, ...maps, ...at } as unknown;
  const env = { monoMs: () => nowMs };
  const site = { cluster, env, log: silent, settleMs: 1_000, positions, transactionalId: "holdfast-0", shard: 0 };
  const keeper = keepBase(site as unknown as Site, term as Term);
  const keepAt = (ms: number): Promise<boolean> => {
    nowMs = ms;
    return keeper.keep((step) => step());
  };
  return { fake, foreign, offset, keepAt };
}

const ended = { name: "ClusterError", trouble: "restart" };

void describe("what is undecided", () => {
  void it("I5: by a lost marker of the shard's own ends the term within seconds: an idle shard decides it by nothing else", async () => {
    const { fake, foreign, offset, keepAt } = await begun();
    fake.loseFrom(data, offset + 1);
    await foreign.commit();
    for (const ms of [0, 5_000, 9_999]) assert.equal(await keepAt(ms), false);
    await assert.rejects(keepAt(10_000), ended);
  });

  void it("by another producer's open transaction is waited for as long as such a one may last", async () => {
    const { keepAt } = await begun();
    for (const ms of [0, 10_000, 50_000, 90_000]) assert.equal(await keepAt(ms), false);
    await assert.rejects(keepAt(90_001), ended);
  });

  void it("is no reason to wait longer the next time once it is decided", async () => {
    const { fake, foreign, offset, keepAt } = await begun();
    for (const ms of [0, 60_000]) assert.equal(await keepAt(ms), false);
    await foreign.commit();
    assert.equal(await keepAt(61_000), false, "noted");
    fake.loseFrom(data, offset + 1);
    for (const ms of [62_000, 71_999]) assert.equal(await keepAt(ms), false);
    await assert.rejects(keepAt(72_000), ended);
  });
});
