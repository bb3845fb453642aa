import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlockRow } from "../../agent/store/blocks.ts";
import type { StreamOptions } from "../../agent/store/core.ts";
import { victimsFor } from "../../agent/store/evict.ts";
import { codecLoss, lastOf } from "../../shared/block/block.ts";
import { readLoss } from "../../shared/block/loss.ts";
import {
  alarm,
  append,
  appendLarge,
  keptStore,
  manyEpochs,
  ownRange,
  positionOf,
  rowsOf,
  telemetry,
  theLane,
} from "../fakes/agent-store.ts";
import { watchDb } from "../fakes/watched-db.ts";

const quotaBytes = 1024 * 1024;

const lossOf = (store: ReturnType<typeof keptStore>["store"], name = "telemetry") => {
  const lane = theLane(store, name);
  return store.page(lane, 1).filter((row) => row.codec === codecLoss);
};

void test("the least important streams that may drop give way first, never a more important one", () => {
  const stream = (name: string, priority: number, policy: StreamOptions["policy"]): StreamOptions => ({
    name,
    priority,
    policy,
  });
  const all = [
    stream("a", 0, "reject"),
    stream("b", 1, "drop-oldest"),
    stream("c", 2, "drop-oldest"),
    stream("d", 3, "reject"),
  ];
  const names = (name: string) =>
    victimsFor(all, all.find((one) => one.name === name) as StreamOptions).map((one) => one.name);
  assert.deepEqual(names("a"), ["c", "b"]);
  assert.deepEqual(names("b"), ["c", "b"]);
  assert.deepEqual(names("c"), ["c"]);
  assert.deepEqual(names("d"), []);
});

void test("I2, I6: forwarded blocks go first, then journaled ones, and only then waiting ones, with a loss record", () => {
  const { store } = keptStore({ quotaBytes });
  for (let i = 0; i < 10; i++) appendLarge(store, i);
  const lane = theLane(store);
  store.apply(lane, positionOf(lane, 1, [ownRange(store, lane, 1, 4)], [ownRange(store, lane, 1, 2)]));
  const order: string[] = [];
  for (let i = 10; i < 40; i++) {
    appendLarge(store, i);
    const { 0: waiting, 1: journaled, 2: forwarded } = lane.tallies;
    order.push(`${forwarded.blocks > 0} ${journaled.blocks > 0} ${store.usage().losses.size > 0}`);
    assert.ok(waiting.blocks >= 0);
  }
  assert.deepEqual(
    [...new Set(order)],
    ["true true false", "false true false", "false false false", "false false true"].filter((one) =>
      order.includes(one),
    ),
  );
  const losses = lossOf(store);
  assert.equal(losses.length, 1, "drops in a row become one loss record");
  const [loss] = losses as [BlockRow];
  const lost = store.usage().losses.get("quota");
  assert.equal(loss.count, lost);
  assert.equal(loss.first, 5);
  const seqs = rowsOf(store, lane);
  for (let i = 1; i < seqs.length; i++)
    assert.equal(seqs[i]?.first, (seqs[i - 1]?.last ?? 0) + 1, "no seq is left out");
});

void test("I6: a loss record that grows keeps the chain before its first seq and a time span that holds for all of it", () => {
  const { store } = keptStore({ quotaBytes });
  for (let i = 0; i < 40; i++) appendLarge(store, 100 - i);
  const lane = theLane(store);
  const [loss] = lossOf(store) as [BlockRow];
  assert.equal(loss.first, 1);
  assert.ok(loss.before !== null);
  const times = readLoss((store.block(lane, loss) as { bytes: Uint8Array }).bytes);
  assert.equal(times.toUs, loss.maxUs);
  assert.equal((times.toUs as number) - (times.fromUs as number), loss.count - 1);
  const next = store.page(lane, lastOf(loss) + 1)[0] as BlockRow;
  assert.equal(loss.after, next.before);
});

void test("I6: a loss record that was sent does not grow: a POSITION may end at it", () => {
  const { store } = keptStore({ quotaBytes });
  for (let i = 0; i < 30; i++) appendLarge(store, i);
  const lane = theLane(store);
  const [loss] = lossOf(store) as [BlockRow];
  store.noteSent(loss);
  for (let i = 30; i < 45; i++) appendLarge(store, i);
  const losses = lossOf(store);
  assert.equal(lastOf(losses[0] as BlockRow), lastOf(loss));
  const range = ownRange(store, lane, 1, lastOf(loss));
  assert.equal(store.apply(lane, positionOf(lane, 1, [range])), "applied");
});

void test("a loss record before a damaged block, whose own bytes are damaged, keeps neither from being named", () => {
  const { store, db } = keptStore({ quotaBytes });
  for (let i = 0; i < 30; i++) appendLarge(store, i);
  const lane = theLane(store);
  db.prepare("UPDATE block SET bytes = x'00' WHERE codec = 0").run();
  for (let i = 30; i < 45; i++) appendLarge(store, i);
  const rows = store.page(lane, 1);
  assert.equal(store.block(lane, rows[0] as BlockRow), undefined);
  assert.equal(store.page(lane, 1)[0]?.first, 1);
  assert.ok(store.block(lane, store.page(lane, 1)[0] as BlockRow) !== undefined, "a new loss record stands there");
});

void test("I2: blocks in flight are not dropped", () => {
  const { store } = keptStore({ quotaBytes });
  store.setInFlight((row) => row.first <= 3);
  for (let i = 0; i < 30; i++) appendLarge(store, i);
  const kept = rowsOf(store, theLane(store)).filter(({ values }) => values !== "lost");
  assert.deepEqual(
    kept.slice(0, 3).map(({ first }) => first),
    [1, 2, 3],
  );
});

void test("reject: a full store refuses, takes readings again once something is journaled, and lets others be", () => {
  const { store } = keptStore({ quotaBytes });
  let taken = 0;
  assert.throws(
    () => {
      for (;;) {
        appendLarge(store, taken, "alarm");
        taken++;
      }
    },
    { code: "full", retryable: true },
  );
  for (let i = 0; i < 50; i++) assert.throws(() => appendLarge(store, taken, "alarm"), { code: "full" });
  const lane = theLane(store, "alarm");
  assert.equal(lane.last, taken);
  store.apply(lane, positionOf(lane, 1, [ownRange(store, lane, 1, 4)]));
  appendLarge(store, taken, "alarm");
  assert.equal(lane.last, taken + 1);
  assert.ok(store.usage().usedBytes <= quotaBytes);
});

void test("I8: a stream at its own quota drops without walking what is delivered before it", () => {
  const watched = watchDb(keptStore().db);
  const streams = [{ ...telemetry, quotaBytes: 20_000 }, alarm];
  const { store } = keptStore({ streams }, watched.db);
  append(store, [0]);
  const lane = theLane(store);
  const first = ownRange(store, lane, 1, 1);
  for (let round = 1; round <= 12; round++) {
    for (let i = 0; i < 80; i++) append(store, [i]);
    store.apply(lane, positionOf(lane, round, [{ ...first, last: lane.last, after: lane.chain }]));
  }
  assert.equal(lane.tallies[1].readings, 961);
  for (let i = 0; i < 150; i++) append(store, [i]);
  const before = watched.rows();
  append(store, [1]);
  assert.ok(lane.tallies[0].bytes + 128 * lane.tallies[0].blocks <= 20_000);
  assert.ok(store.usage().losses.get("quota") !== undefined);
  assert.ok(watched.rows() - before < 500, `${watched.rows() - before} rows`);
});

void test("epochs that are done are freed first, but the latest one keeps what its successor's record must name", () => {
  const first = keptStore({ quotaBytes });
  for (let i = 0; i < 10; i++) appendLarge(first.store, i);
  const lane = theLane(first.store);
  const all = ownRange(first.store, lane, 1, 10);
  first.store.apply(lane, positionOf(lane, 1, [all], [all]));
  const { store } = keptStore({ quotaBytes }, first.db, first.env);
  assert.deepEqual(store.lanes(), []);
  for (let i = 0; i < 8; i++) appendLarge(store, i);
  assert.equal(store.usage().losses.size, 0);
  assert.equal(store.openRecord()?.predecessor?.lastSeqs.get("telemetry"), 10);
});

void test("I8: a full store refuses a request without reading its lanes again, however many epochs wait", () => {
  const many = manyEpochs(200);
  const watched = watchDb(many.db);
  const { store } = keptStore(
    { quotaBytes, streams: [{ ...telemetry, policy: "reject" }, alarm] },
    watched.db,
    many.env,
  );
  assert.throws(
    () => {
      for (let i = 0; ; i++) appendLarge(store, i, "alarm");
    },
    { code: "full" },
  );
  const before = watched.rows();
  for (let i = 0; i < 10; i++) assert.throws(() => appendLarge(store, i, "alarm"), { code: "full" });
  assert.ok(watched.rows() - before < 100, `${watched.rows() - before} rows for ten refusals`);
});

void test("I10: on a full disk a stream that may drop goes on, and the file does not grow into the ballast's room", () => {
  const kept = keptStore();
  const limit = (pages: number): unknown => kept.db.pragma(`max_page_count=${pages}`);
  const size = (): number => kept.db.pragma("page_count", { simple: true }) as number;
  const diskPages = 400;
  limit(diskPages);
  let hasBallast = true;
  const ballast = {
    drop() {
      if (!hasBallast) return false;
      hasBallast = false;
      limit(diskPages + 2_000);
      return true;
    },
    restore: () => hasBallast,
  };
  const { store } = keptStore({ ballast }, kept.db, kept.env);
  for (let i = 0; i < 80; i++) appendLarge(store, i);
  assert.equal(hasBallast, false);
  assert.ok((store.usage().losses.get("quota") ?? 0) > 50);
  assert.ok(size() <= diskPages + 20, `${size()} pages`);
  hasBallast = true;
  for (let i = 0; i < 20; i++) appendLarge(store, i);
  assert.ok(size() > diskPages + 100, "with room again it grows");
});
