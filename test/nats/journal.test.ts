/** The rules of the replicated journal on three real servers: gateways race for every batch while the leader dies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startNats } from "../../demo/nats/cluster.ts";
import { natsMissing } from "../../demo/nats/server.ts";
import { until } from "../../demo/waiting.ts";
import { openLaneWriter } from "../../gateway/journal/jetstream/lane-writer.ts";
import { subjectOf } from "../../gateway/journal/jetstream/names.ts";
import type { LaneState } from "../../gateway/journal/journal.ts";
import { lastOf } from "../../shared/block/block.ts";
import { beyond, covers } from "../../shared/ranges.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { readings } from "../fakes/counted-blocks.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";
import { shardForwarder } from "../sim/journal/forwarder.ts";
import { connect, newJournal } from "./cluster-under-test.ts";

const shards = 1;
const lanesCount = 20;
const batchesEach = 50;
const withinMs = 60_000;

test("I3, I4: two gateways take each of 1,000 batches at once while the leader dies: each seq is queued once, and no position is taken back", {
  skip: natsMissing() ?? false,
}, async (t) => {
  const cluster = await startNats(3);
  t.after(() => cluster.stop());
  const journal = await newJournal(await connect(t, cluster));
  const over = async () => journal.over(await connect(t, cluster));
  const writerOn = async () => openLaneWriter({ ...(await over()), shards, hasRoom: () => true, log: silent });
  const gateways = [await writerOn(), await writerOn()];
  const queue = fakeQueue();
  const forwarder = shardForwarder(await over(), queue.open());
  const endMs = performance.now() + withinMs;
  const told = new Map<string, LaneState[]>();
  let done = 0;
  let races = 0;

  /** Sends one batch to both until one of them says that it is journaled. */
  async function bring(lane: ReturnType<typeof agentLane>): Promise<void> {
    const block = readings(lane, 3);
    for (;;) {
      assert.ok(performance.now() < endMs, `${done} batches came through in time`);
      const answers = await Promise.all(gateways.map((one) => one.take(lane.lane.agent, lane.batch([block]))));
      const states = answers.flatMap(({ state }) => state ?? []);
      told.set(lane.lane.agent, [...(told.get(lane.lane.agent) ?? []), ...states]);
      if (states.length === 2) races++;
      if (states.some(({ journaled }) => covers(journaled, block.first, lastOf(block)))) break;
    }
    done++;
  }

  const lanes = Array.from({ length: lanesCount }, (_, at) => agentLane({ agent: `pump-${at}`, store: at + 1 }));
  let isOver = false;
  const forwarding = (async () => {
    while (!isOver) assert.ok(await forwarder.round());
  })();
  const sending = Promise.all(
    lanes.map(async (lane) => {
      for (let batch = 0; batch < batchesEach; batch++) await bring(lane);
    }),
  );
  /** Waits until so many batches came through; a failure of the sending ends it. */
  const broughtBy = (batches: number): Promise<unknown> =>
    Promise.race([sending, until(`${batches} batches came through`, () => done >= batches, withinMs)]);
  await broughtBy(300);
  const leader = await journal.leader();
  await cluster.kill(leader);
  await broughtBy(600);
  await cluster.start(leader);
  await sending;
  const wanted = lanesCount * batchesEach;
  await until("all is queued", () => queue.outcomes.length >= wanted, withinMs);
  isOver = true;
  await forwarding;

  const names = queue.outcomes.flatMap(({ lane, spans }) =>
    spans.flatMap(({ first, last }) =>
      Array.from({ length: last - first + 1 }, (_, i) => `${subjectOf(lane, shards)} ${first + i}`),
    ),
  );
  assert.equal(new Set(names).size, names.length, "a seq is queued twice");
  assert.equal(names.length, wanted * 3);
  assert.ok(races > wanted / 2, `${races} races`);
  for (const states of told.values()) {
    const sorted = states.sort((a, b) => a.version - b.version);
    for (const [at, state] of sorted.entries()) {
      assert.deepEqual(beyond(state.journaled, sorted[at + 1]?.journaled ?? state.journaled), []);
    }
  }
});
