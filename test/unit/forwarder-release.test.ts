import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { type Forwarder, startForwarder } from "../../gateway/forwarder/forwarder.ts";
import { openUnreleased } from "../../gateway/forwarder/unreleased.ts";
import type { Journal, JournalEntry } from "../../gateway/journal/journal.ts";
import type { LanePosition, Queue } from "../../gateway/queue/queue.ts";
import type { Block } from "../../shared/block/block.ts";
import { realEnv } from "../../shared/env.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { eachOnce, readings } from "../fakes/counted-blocks.ts";
import { journalInMemory, silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";
import { until } from "../fakes/queue-folder.ts";

const env = { ...realEnv(), random: () => 0 };

function start(t: TestContext, journal: Journal, queue: Queue): Forwarder {
  const forwarder = startForwarder({ journal, queue, env, log: silent });
  t.after(() => forwarder.close());
  return forwarder;
}

/** A queue that releases a step when the test says so. */
function settlingQueue() {
  const releases: (() => void)[] = [];
  const fake = fakeQueue({ settle: (release) => void releases.push(release) });
  return { fake, releaseNext: () => releases.shift()?.() };
}

async function forwardedOf(journal: Journal, lane: ReturnType<typeof agentLane>): Promise<number[][]> {
  const { state } = await journal.ask("pump-1", lane.ask());
  return (state?.forwarded ?? []).map(({ first, last }) => [first, last]);
}

test("I5: what the queue has not released stays in the journal and is not called forwarded", async (t) => {
  const { fake, releaseNext } = settlingQueue();
  const queue = fake.open();
  const { journal } = await journalInMemory(queue);
  const forwarder = start(t, journal, queue);
  const lane = agentLane();
  for (const count of [10, 5, 7]) {
    await journal.take("pump-1", lane.batch([readings(lane, count)]));
    await forwarder.idle();
  }
  eachOnce(fake.outcomes, lane);
  assert.deepEqual([journal.usage().blocks, await forwardedOf(journal, lane)], [3, []]);
  releaseNext();
  await until("the release reaches the journal", () => journal.usage().blocks === 2);
  assert.deepEqual(await forwardedOf(journal, lane), [[1, 10]]);
  releaseNext();
  releaseNext();
  await until("the release reaches the journal", () => journal.usage().blocks === 0);
  assert.deepEqual(await forwardedOf(journal, lane), [[1, 22]]);
  eachOnce(fake.outcomes, lane);
});

test("I5: a queue that loses its tail gets it again from the journal, and nothing twice", async (t) => {
  const { fake, releaseNext } = settlingQueue();
  const queue = fake.open();
  const { journal } = await journalInMemory(queue);
  const forwarder = start(t, journal, queue);
  const lane = agentLane();
  for (let at = 0; at < 6; at++) {
    await journal.take("pump-1", lane.batch([readings(lane, 4)]));
    await forwarder.idle();
  }
  releaseNext();
  await until("the release reaches the journal", () => journal.usage().blocks === 5);
  fake.loseTail(3);
  assert.equal(fake.outcomes.length, 3);
  await until("what was lost is written again", () => fake.outcomes.length >= 4);
  await forwarder.idle();
  eachOnce(fake.outcomes, lane);
  while (fake.unreleased() > 0) releaseNext();
  await until("the release reaches the journal", () => journal.usage().blocks === 0);
  assert.deepEqual(await forwardedOf(journal, lane), [[1, 24]]);
});

test("I5: after a restart the journal's entries wait for the release of what the queue had", async (t) => {
  const { fake, releaseNext } = settlingQueue();
  const first = fake.open();
  const { journal, db, copy } = await journalInMemory(first);
  const lane = agentLane();
  const forwarder = startForwarder({ journal, queue: first, env, log: silent });
  await journal.take("pump-1", lane.batch([readings(lane, 10)]));
  await forwarder.idle();
  await forwarder.close();
  const second = fake.open();
  const after = await journalInMemory(second, db, copy);
  await start(t, after.journal, second).idle();
  assert.equal(after.journal.usage().blocks, 1);
  eachOnce(fake.outcomes, lane);
  releaseNext();
  await until("the release reaches the journal", () => after.journal.usage().blocks === 0);
});

test("I2, I5: a journal that begins anew calls forwarded only what the queue has released", async (t) => {
  const { fake, releaseNext } = settlingQueue();
  const first = fake.open();
  const { journal } = await journalInMemory(first);
  const lane = agentLane();
  const forwarder = startForwarder({ journal, queue: first, env, log: silent });
  const blocks = [readings(lane, 10), readings(lane, 5)];
  for (const block of blocks) {
    await journal.take("pump-1", lane.batch([block]));
    await forwarder.idle();
  }
  releaseNext();
  await forwarder.close();
  const second = fake.open();
  const after = await journalInMemory(second);
  const { state } = await after.journal.ask("pump-1", lane.ask());
  assert.deepEqual(
    [state?.journaled, state?.forwarded].map((ranges) => ranges?.map(({ last }) => last)),
    [[10], [10]],
  );
  const again = start(t, after.journal, second);
  await after.journal.take("pump-1", lane.batch([blocks[1] as Block]));
  await again.idle();
  eachOnce(fake.outcomes, lane);
  fake.loseTail(1);
  assert.equal(fake.outcomes.length, 1);
  await until("what was lost is written again", () => fake.outcomes.length === 2);
  eachOnce(fake.outcomes, lane);
});

test("commits keep their distance, unless so much waits that one is large anyway", async (t) => {
  const fake = fakeQueue();
  const queue = fake.open();
  const { journal } = await journalInMemory(queue);
  let nowMs = 0;
  let rests = 0;
  const real = realEnv();
  const clock = {
    ...real,
    monoMs: () => nowMs,
    after(delayMs: number, action: () => void) {
      if (delayMs === 500) rests++;
      return real.after(0, action);
    },
  };
  const forwarder = startForwarder({ journal, queue, env: clock, log: silent, commitIntervalMs: 500 });
  t.after(() => forwarder.close());
  const lane = agentLane();
  await journal.take("pump-1", lane.batch([readings(lane, 10)]));
  await forwarder.idle();
  await journal.take("pump-1", lane.batch([readings(lane, 5)]));
  await until("the next commit waits", () => rests > 3);
  assert.equal(fake.outcomes.length, 1);
  nowMs = 500;
  await until("the next commit", () => fake.outcomes.length === 2);
  for (let at = 0; at < 6; at++) {
    await journal.take("pump-1", lane.batch(Array.from({ length: 5 }, () => readings(lane, 1_000))));
  }
  await until("a large commit", () => forwarder.status().readings > 25_000);
  nowMs = 1_000;
  await forwarder.idle();
  eachOnce(fake.outcomes, lane);
});

test("I6: settling never takes an entry that the positions do not cover, whoever has its id now", async () => {
  const { journal } = await journalInMemory(fakeQueue().open());
  const lane = agentLane();
  await journal.take("pump-1", lane.batch([readings(lane, 3)]));
  const [entry] = journal.read(1e6, 1e6);
  await journal.settle([entry?.id as number], []);
  assert.equal(journal.usage().blocks, 1);
});

test("I2: a journal keeps its id where the queue has what was released, and has not noted yet that it is", async (t) => {
  const { fake, releaseNext } = settlingQueue();
  const queue = fake.open();
  const { journal, db, copy } = await journalInMemory(queue);
  const forwarder = start(t, journal, queue);
  const lane = agentLane();
  await journal.take("pump-1", lane.batch([readings(lane, 3)]));
  await until("it is committed", () => queue.progress().committed === 1);
  releaseNext();
  await until("it is settled", () => journal.usage().blocks === 0);
  await forwarder.close();
  const id = journal.journalId();
  await journal.close();
  const next = fake.open();
  const forgetful: Queue = { ...next, released: () => [], releasedPositions: () => [] };
  const after = await journalInMemory(forgetful, db, copy);
  assert.equal(after.journal.journalId(), id);
  assert.deepEqual(await forwardedOf(after.journal, lane), [[1, 3]]);
  // What it does not have is another matter.
  await after.journal.close();
  const lost = await journalInMemory({ ...forgetful, forwarded: () => [] }, db, copy);
  assert.notEqual(lost.journal.journalId(), id);
});

test("I5, I8: joined steps are released together, never before the last of them", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 40 }), (releases) => {
      const unreleased = openUnreleased();
      const steps = 3_000;
      const block = agentLane().block(2, new Uint8Array(5));
      const lane = { agent: "pump-1", stream: "telemetry", epoch: "00" };
      const positionAt = (last: number): LanePosition => {
        return { lane, storeId: "s", run: 1, forwarded: [{ first: 1, last, before: null, after: null }] };
      };
      for (let step = 1; step <= steps; step++) {
        unreleased.add(step, [{ id: step, block } as JournalEntry], [positionAt(step)]);
      }
      assert.deepEqual(unreleased.waiting(), { readings: 2 * steps, bytes: 5 * steps });
      let settled = 0;
      for (const part of [...releases, 4]) {
        const released = Math.floor((steps * part) / 4);
        const settling = unreleased.release(released);
        for (const id of settling?.ids ?? []) assert.equal(id, ++settled);
        if (settling !== undefined) {
          assert.ok(settled <= released, "nothing before its release");
          assert.deepEqual(settling.positions, [positionAt(settled)]);
        }
      }
      assert.deepEqual([settled, unreleased.size(), unreleased.lastId()], [steps, 0, 0]);
      assert.deepEqual(unreleased.waiting(), { readings: 0, bytes: 0 });
    }),
    { numRuns: 30 },
  );
});
