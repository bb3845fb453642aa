import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { crc32, zstdCompressSync } from "node:zlib";
import { type Forwarder, startForwarder } from "../../gateway/forwarder/forwarder.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { type Block, codecColumnsZstd } from "../../shared/block/block.ts";
import { realEnv } from "../../shared/env.ts";
import type { Fault } from "../../shared/errors.ts";
import { epochsKept } from "../../shared/limits.ts";
import { type AgentLane, agentLane, helloOf, synced } from "../fakes/agent-lane.ts";
import { eachOnce, readings, seqsOf } from "../fakes/counted-blocks.ts";
import { journalInMemory, silent } from "../fakes/journal-in-memory.ts";
import { createManualEnv } from "../fakes/manual-env.ts";
import { fakeQueue, type QueueFault } from "../fakes/queue.ts";
import { until } from "../fakes/queue-folder.ts";

/** Full jitter with a random number of 0: back-off without a wait. */
const env = { ...realEnv(), random: () => 0 };

function start(
  t: TestContext,
  journal: Journal,
  queue: Queue,
  onStopped: (fault: Fault) => void = () => {},
): Forwarder {
  const forwarder = startForwarder({ journal, queue, env, log: silent, onStopped });
  t.after(() => forwarder.close());
  return forwarder;
}

test("I5: what the journal takes reaches the queue once and in order, and the journal empties", async (t) => {
  const queue = fakeQueue();
  const handle = queue.open();
  const { journal } = await journalInMemory(handle);
  const forwarder = start(t, journal, handle);
  const lane = agentLane();
  for (let at = 0; at < 20; at++) await journal.take("pump-1", lane.batch([readings(lane, 50), lane.loss(3)]));
  await forwarder.idle();
  eachOnce(queue.outcomes, lane);
  assert.deepEqual(
    seqsOf(queue.outcomes, lane.lane).map(([seq]) => seq),
    Array.from({ length: 1060 }, (_, i) => i + 1),
  );
  const { blocks, readings: waiting, bytes } = journal.usage();
  assert.deepEqual([blocks, waiting, bytes], [0, 0, 0]);
  const { readings: count, lost } = forwarder.status();
  assert.deepEqual([count, lost.quota], [1000, 60]);
  const { state } = await journal.ask("pump-1", lane.ask());
  assert.deepEqual(state?.forwarded, state?.journaled);
});

for (const fault of ["full", "before", "after"] as const) {
  test(`I5: a commit that fails (${fault}) doubles nothing, loses nothing, and does not stop ingress`, async (t) => {
    const faults: QueueFault[] = [fault, fault, fault];
    const queue = fakeQueue({ fault: () => faults.pop() });
    const handle = queue.open();
    const { journal } = await journalInMemory(handle);
    const forwarder = start(t, journal, handle);
    const lane = agentLane();
    for (let at = 0; at < 10; at++) {
      const { refusals } = await journal.take("pump-1", lane.batch([readings(lane, 10)]));
      assert.deepEqual(refusals, []);
      // A step that lands meets one fault only, so three steps are needed, however the batches fall into them.
      if (at % 3 === 0) await forwarder.idle();
    }
    assert.equal(faults.length, 0);
    eachOnce(queue.outcomes, lane);
  });
}

test("I5: after a crash between the queue's commit and the journal's settle nothing doubles", async (t) => {
  const queue = fakeQueue();
  const first = queue.open();
  const { journal, db, copy } = await journalInMemory(first);
  const lane = agentLane();
  await journal.take("pump-1", lane.batch([readings(lane, 10), readings(lane, 10)]));
  const died = Promise.withResolvers<void>();
  const dying: Journal = {
    ...journal,
    settle() {
      died.resolve();
      return new Promise(() => {});
    },
  };
  startForwarder({ journal: dying, queue: first, env, log: silent });
  await died.promise;
  const second = queue.open();
  const after = await journalInMemory(second, db, copy);
  assert.equal(after.journal.usage().blocks, 2, "nothing was settled");
  const forwarder = start(t, after.journal, second);
  await after.journal.take("pump-1", lane.batch([readings(lane, 5)]));
  await forwarder.idle();
  eachOnce(queue.outcomes, lane);
});

test("I5: only what the queue lacks of a block is written", async (t) => {
  const queue = fakeQueue();
  const handle = queue.open();
  const { journal } = await journalInMemory(handle);
  const lane = agentLane();
  await journal.take("pump-1", lane.batch([readings(lane, 10)]));
  const known = { first: 4, last: 6, before: null, after: null };
  await handle.commit([], [{ lane: lane.lane, storeId: lane.record.storeId, run: 1, forwarded: [known] }]);
  await start(t, journal, handle).idle();
  assert.deepEqual(
    queue.outcomes.map(({ spans }) => spans),
    [
      [
        { first: 1, last: 3 },
        { first: 7, last: 10 },
      ],
    ],
  );
  assert.deepEqual(
    handle.forwarded(lane.lane).map(({ first, last }) => [first, last]),
    [
      [1, 3],
      [4, 6],
      [7, 10],
    ],
  );
});

test("I6: a block that was damaged in the journal is cut, comes again, and arrives once", async (t) => {
  const queue = fakeQueue();
  const handle = queue.open();
  const { journal, db } = await journalInMemory(handle);
  const lane = agentLane();
  const blocks = [readings(lane, 10), readings(lane, 10), readings(lane, 10)];
  await journal.take("pump-1", lane.batch(blocks));
  db.prepare("UPDATE payloads SET bytes = zeroblob(length(bytes)) WHERE id = 2").run();
  const forwarder = start(t, journal, handle);
  await forwarder.idle();
  assert.equal(forwarder.status().cut, 1);
  const { state } = await journal.ask("pump-1", lane.ask());
  assert.deepEqual(
    state?.journaled.map(({ first, last }) => [first, last]),
    [
      [1, 10],
      [21, 30],
    ],
  );
  await journal.take("pump-1", lane.batch(blocks));
  await forwarder.idle();
  eachOnce(queue.outcomes, lane);
});

test("a block that cannot be decoded becomes a dead letter with its bytes, boundedly", async (t) => {
  const queue = fakeQueue();
  const handle = queue.open();
  const { journal } = await journalInMemory(handle);
  const lane = agentLane();
  const bomb = zstdCompressSync(new Uint8Array(256 * 1024 * 1024));
  const whole = readings(lane, 10);
  const blocks: Block[] = [
    whole,
    lane.block(5),
    { ...lane.block(5, bomb, codecColumnsZstd), rawBytes: 1000 },
    { ...lane.block(7, whole.bytes, whole.codec), rawBytes: whole.rawBytes },
  ];
  await journal.take("pump-1", lane.batch(blocks));
  const before = process.memoryUsage().rss;
  await start(t, journal, handle).idle();
  assert.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024, "the bomb went off");
  assert.deepEqual(
    queue.outcomes.map(({ body }) => body.kind),
    ["readings", "dead-letter", "dead-letter", "dead-letter"],
  );
  const [, , third, last] = queue.outcomes.map(({ body }) => body);
  assert.ok(third?.kind === "dead-letter" && crc32(third.bytes) === crc32(bomb));
  assert.deepEqual([third.first, third.count, third.rawBytes, third.repeated], [16, 5, 1000, false]);
  assert.deepEqual(third.clock, synced);
  assert.ok(last?.kind === "dead-letter" && /10 readings where its head says 7/.test(last.reason));
  assert.deepEqual(seqsOf(queue.outcomes, lane.lane).length, lane.newest());
});

test("a codec that only a later version reads stops forwarding and is never a dead letter", async (t) => {
  const queue = fakeQueue();
  const handle = queue.open();
  const { journal } = await journalInMemory(handle);
  const lane = agentLane();
  await journal.take("pump-1", lane.batch([readings(lane, 4), lane.block(4, undefined, 99), readings(lane, 4)]));
  const stopped = Promise.withResolvers<Fault>();
  const forwarder = start(t, journal, handle, stopped.resolve);
  assert.equal((await stopped.promise).code, "too-new");
  assert.deepEqual(
    seqsOf(queue.outcomes, lane.lane).map(([seq]) => seq),
    [1, 2, 3, 4],
  );
  assert.equal(journal.usage().blocks, 2);
  const { refusals } = await journal.take("pump-1", lane.batch([readings(lane, 4)]));
  assert.deepEqual(refusals, [], "ingress goes on");
  assert.match(forwarder.status().trouble ?? "", /codec 99/);
});

test("a fenced queue stops the forwarder for good", async (t) => {
  const queue = fakeQueue();
  const zombie = queue.open();
  const { journal } = await journalInMemory(zombie);
  const lane = agentLane();
  const stopped = Promise.withResolvers<Fault>();
  const forwarder = start(t, journal, zombie, stopped.resolve);
  await forwarder.idle();
  queue.open();
  await journal.take("pump-1", lane.batch([readings(lane, 4)]));
  await until("the refusal of the queue", () => /stopped|backing-off/.test(forwarder.status().state));
  assert.equal(forwarder.status().state, "stopped");
  assert.equal((await stopped.promise).code, "closed");
  assert.deepEqual(queue.outcomes, []);
});

test("a queue that does not answer shows in the status while it is waited for, and no longer than that", async (t) => {
  const clock = createManualEnv(1e15);
  const queue = fakeQueue().open();
  const { journal } = await journalInMemory(queue);
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const hanging: Queue = {
    ...queue,
    async commit(outcomes, positions) {
      asked.resolve();
      await answer.promise;
      await queue.commit(outcomes, positions);
    },
  };
  const forwarder = startForwarder({ journal, queue: hanging, env: clock, log: silent });
  t.after(() => forwarder.close());
  const lane = agentLane();
  await journal.take("pump-1", lane.batch([readings(lane, 10)]));
  await asked.promise;
  clock.advance(9_000);
  assert.equal(forwarder.status().trouble, null);
  clock.advance(3_000);
  assert.match(`${forwarder.status().trouble}`, /^the queue has not answered for 12 s; what now: .*journal keeps/);
  answer.resolve();
  await forwarder.idle();
  const { trouble, readings: count } = forwarder.status();
  assert.deepEqual([trouble, count], [null, 10]);
});

test("I8: old epochs are forgotten, first by the queue, then by the journal", async (t) => {
  const queue = fakeQueue();
  const handle = queue.open();
  const { journal } = await journalInMemory(handle);
  const lanes: AgentLane[] = [];
  for (let run = 1; run <= epochsKept + 3; run++) {
    const before = lanes.at(-1);
    const lastSeqs = new Map([["telemetry", 2]]);
    const lane = agentLane({ run, predecessor: before === undefined ? null : { epoch: before.lane.epoch, lastSeqs } });
    await journal.take("pump-1", lane.batch([readings(lane, 2)]));
    lanes.push(lane);
  }
  await journal.hello("pump-1", helloOf(lanes.at(-1) as AgentLane));
  const order: string[] = [];
  const forget: Queue["forget"] = async (floor, old) => {
    await handle.forget(floor, old);
    order.push("the queue");
  };
  const forgetToo: Journal["forget"] = (forgetting) => {
    order.push("the journal");
    return journal.forget(forgetting);
  };
  const forwarder = start(t, { ...journal, forget: forgetToo }, { ...handle, forget });
  await forwarder.idle();
  assert.deepEqual(order, ["the queue", "the journal"]);
  assert.deepEqual(
    [...handle.floors()].map(({ run }) => run),
    [2],
  );
  assert.equal([...handle.positions()].length, epochsKept + 1);
  assert.equal(journal.lanes().length, epochsKept + 1);
});
