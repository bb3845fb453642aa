import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../../agent/store/store.ts";
import type { Ask, Batch } from "../../shared/protocol/messages.ts";
import type { Range } from "../../shared/ranges.ts";
import { append, appendLarge, keptStore, theLane, upTo } from "../fakes/agent-store.ts";
import { laneOf, scripted, spans, taken, tickMs } from "../fakes/scripted-gateway.ts";

void test("I2: a batch is delivered only by a position, with the session's nonce and journal, and no lower version", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  const range = taken(batch);
  const pending = () => theLane(link.store).tallies[0].readings;
  await link.tell(link.position(laneOf(batch), [range], { nonce: "0".repeat(16) }));
  await link.tell(link.position(laneOf(batch), [range], { groupId: "d".repeat(32) }));
  assert.equal(pending(), 1);
  await link.tell(link.position(laneOf(batch), [range], { version: 7 }));
  assert.equal(pending(), 0);
  await link.tell(link.position(laneOf(batch), [], { version: 6 }));
  assert.equal(pending(), 0, "an older version changes nothing");
  await link.tell(link.position(laneOf(batch), [range], { version: 7 }));
  assert.equal(pending(), 0, "a repeated one neither");
  assert.equal(link.uplink.status().inFlight, 0);
});

void test("I6: a loss record that a journal holds in part is sent again, whole", async (t) => {
  const quotaBytes = 1024 * 1024;
  const first = keptStore({ quotaBytes });
  for (let i = 0; i < 30; i++) appendLarge(first.store, i);
  const link = scripted(t, {}, keptStore({ quotaBytes }, first.db, first.env));
  link.uplink.start();
  await link.up();
  await link.tell(link.welcome());
  const [ask] = link.take("ask") as [Ask];
  const held = { first: 1, last: 2, before: null, after: null };
  await link.tell(link.position(ask.entries[0] as Ask["entries"][number], [held]));
  const [batch] = link.take("batch") as [Batch];
  assert.deepEqual([batch.blocks[0]?.first, batch.blocks[0]?.codec], [1, 0]);
});

void test("I6, I10: a block that turns out to be damaged when it is sent ends its batch, and goes as a loss record", async (t) => {
  const link = scripted(t);
  for (const n of [1, 2, 3, 4]) append(link.store, [n]);
  link.db.exec("UPDATE block SET bytes = zeroblob(9) WHERE first IN (1, 3)");
  await link.join();
  const blocks: (readonly [number, boolean])[] = [];
  for (let i = 0; i < 30; i++) {
    for (const batch of link.take("batch")) {
      blocks.push(...batch.blocks.map(({ first, codec }) => [first, codec === 0] as const));
      await link.tell(link.position(laneOf(batch), [{ ...taken(batch), first: 1, before: null }], { version: i }));
    }
    await link.settle(tickMs);
  }
  assert.deepEqual(blocks, [
    [1, true],
    [2, false],
    [3, true],
    [4, false],
  ]);
  assert.deepEqual([...link.store.usage().losses], [["corrupt", 2]]);
});

void test("one bad block rests for an hour while all others go on, and is tried again", async (t) => {
  const link = scripted(t);
  for (const n of [1, 2, 3]) append(link.store, [n]);
  await link.join();
  const first = link.take("batch");
  const batch = first[0] as Batch;
  await link.tell(link.nack(batch, { reason: "malformed", first: 2 }));
  assert.equal(link.uplink.status().resting, 1);
  const ranges = (batches: readonly Batch[]) =>
    batches.flatMap(({ blocks }) => blocks).filter((block) => block.first !== 2);
  const seen = new Map<number, Range>();
  for (const block of ranges([...first, ...link.take("batch")])) {
    seen.set(block.first, { first: block.first, last: block.first, before: block.before, after: block.after });
  }
  const journaled = [seen.get(1), seen.get(3)] as Range[];
  await link.tell(link.position(laneOf(batch), journaled));
  append(link.store, [4]);
  link.uplink.appended();
  await link.settle();
  const [next] = link.take("batch") as [Batch];
  assert.deepEqual(spans([next]), [["telemetry", 4, 4]]);
  await link.tell(
    link.position(
      laneOf(batch),
      [seen.get(1) as Range, { ...taken(next), first: 3, before: seen.get(3)?.before ?? null }],
      { version: 2 },
    ),
  );
  assert.equal(link.uplink.status().inFlight, 0, "no batch spans the resting block");
  for (let minutes = 0; minutes < 130; minutes++) {
    await link.settle(60_000);
    for (const ask of link.take("ask")) {
      for (const entry of ask.entries) {
        await link.tell(
          link.position(entry, [seen.get(1) as Range, { ...taken(next), first: 3, before: null }], { version: 3 }),
        );
      }
    }
    const again = link.take("batch");
    if (again.length > 0) {
      assert.deepEqual(spans(again), [["telemetry", 2, 2]]);
      assert.ok(minutes >= 59);
      return;
    }
  }
  assert.fail("the block was never tried again");
});

void test("I9: full and busy pause the sending, each longer than the last within its bound, and it recovers by itself", async (t) => {
  for (const [reason, boundMs] of [
    ["full", 7_200_000],
    ["busy", 3_660_000],
  ] as const) {
    const link = scripted(t);
    append(link.store, [1]);
    await link.join();
    for (let round = 0; round < 14; round++) {
      const [batch] = link.take("batch") as [Batch];
      assert.ok(batch !== undefined, `${reason}, round ${round}`);
      await link.tell(link.nack(batch, { reason, retryAfterMs: Number.MAX_SAFE_INTEGER }));
      let waitedMs = 0;
      while (!link.sent.some(({ type }) => type === "batch")) {
        await link.settle(tickMs * 30);
        waitedMs += tickMs * 30;
        await link.answerAsks();
        assert.ok(waitedMs <= boundMs + tickMs * 60, `${reason} silenced the agent for ${waitedMs} ms`);
      }
    }
  }
});

void test("I7: an answer that waits in the socket when a time-out is due is read before anything is sent again", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  await link.settle(10_500);
  // A stalled disk: in the turn in which the look at the time-outs is due, the answer is read after the timers.
  link.env.after(500, () => void link.tell(link.position(laneOf(batch), [taken(batch)])));
  await link.settle(500);
  assert.deepEqual(link.take("batch"), []);
  assert.equal(link.uplink.status().inFlight, 0);
});

void test("I7: a step of the wall clock neither resends nor keeps from resending", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  assert.equal(link.take("batch").length, 1);
  link.env.step(3_600_000);
  for (let i = 0; i < 5; i++) await link.settle(tickMs);
  assert.deepEqual(link.take("batch"), [], "an hour has not passed");
  link.env.step(-7_200_000);
  for (let i = 0; i < 7; i++) await link.settle(tickMs);
  assert.equal(link.take("batch").length, 1, "what was not answered is sent again when its time has passed");
});

void test("I4: blocks that were sent keep their ends, since a position may come to stand between them", async (t) => {
  const link = scripted(t);
  for (const first of [0, 600]) append(link.store, upTo(first, 600));
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  const [head] = batch.blocks as [Batch["blocks"][number]];
  assert.equal(batch.blocks.length, 2);
  while (link.store.maintain());
  await link.tell(link.position(laneOf(batch), [taken({ ...batch, blocks: [head] })]));
  assert.equal(link.uplink.status().forks, 0);
  assert.equal(theLane(link.store).tallies[0].readings, 600);
});

void test("what a slow link has not taken yet is not sent twice, however long it takes", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  link.uplink.start();
  await link.up();
  await link.tell(link.welcome());
  link.holdBack();
  await link.answerAsks();
  assert.equal(link.take("batch").length, 1);
  for (let i = 0; i < 120; i++) await link.settle(tickMs);
  assert.deepEqual(link.take("batch"), []);
  link.release();
  await link.settle(5_000);
  assert.deepEqual(link.take("batch"), [], "its time runs from now");
  await link.settle(15_000);
  assert.equal(link.take("batch").length, 1);
});

void test("I8: what is fetched to make a batch is about what it carries, and all of it is sent", async (t) => {
  const kept = keptStore();
  const fetched: number[] = [];
  const store: Store = {
    ...kept.store,
    page(lane, first, limit) {
      const rows = kept.store.page(lane, first, limit);
      fetched.push(rows.length);
      return rows;
    },
  };
  for (let i = 0; i < 40; i++) appendLarge(kept.store, i);
  const link = scripted(t, {}, { ...kept, store });
  await link.join();
  let next = 1;
  for (let version = 1; next <= 40; version++) {
    const batches = link.take("batch");
    assert.ok(batches.length > 0);
    for (const batch of batches) {
      assert.equal(batch.blocks[0]?.first, next);
      next = taken(batch).last + 1;
      await link.tell(link.position(laneOf(batch), [{ ...taken(batch), first: 1, before: null }], { version }));
    }
  }
  assert.ok(Math.max(...fetched) <= 16, `${Math.max(...fetched)} rows were fetched for batches of one block`);
});
