import assert from "node:assert/strict";
import { test } from "node:test";
import { forwarded, journaled, pending } from "../../agent/store/blocks.ts";
import { loadedEpochsMax } from "../../agent/store/core.ts";
import { cutsOf } from "../../agent/store/recut.ts";
import { readLoss } from "../../shared/block/loss.ts";
import {
  append,
  appendLarge,
  chainAt,
  keptStore,
  manyEpochs,
  ownRange,
  positionOf,
  rowsOf,
  theLane,
} from "../fakes/agent-store.ts";

const statesOf = (seen: ReturnType<typeof rowsOf>) => seen.map(({ first, last, state }) => [first, last, state]);

void test("I2: a block is journaled or forwarded where ranges cover it, and pending again where a newer position lacks it", () => {
  const { store } = keptStore();
  for (const n of [1, 2, 3]) append(store, [n, n]);
  const lane = theLane(store);
  const all = ownRange(store, lane, 1, 6);
  assert.equal(store.apply(lane, positionOf(lane, 3, [all], [ownRange(store, lane, 1, 2)])), "applied");
  assert.deepEqual(statesOf(rowsOf(store, lane)), [
    [1, 2, forwarded],
    [3, 4, journaled],
    [5, 6, journaled],
  ]);
  assert.equal(store.readingsDelivered(), 6);
  assert.equal(store.apply(lane, positionOf(lane, 4, [ownRange(store, lane, 1, 4)], [])), "applied");
  assert.deepEqual(statesOf(rowsOf(store, lane)), [
    [1, 2, journaled],
    [3, 4, journaled],
    [5, 6, pending],
  ]);
  assert.equal(lane.tallies[pending].readings, 2);
});

void test("an older version is stale under the same journal id, and counts anew under another", () => {
  const { store } = keptStore();
  append(store, [1]);
  const lane = theLane(store);
  const position = positionOf(lane, 5, [ownRange(store, lane, 1, 1)]);
  store.apply(lane, position);
  assert.equal(store.apply(lane, positionOf(lane, 4, [])), "stale");
  assert.deepEqual(lane.tallies[pending].readings, 0);
  assert.equal(store.apply(lane, { ...positionOf(lane, 1, []), journalId: "c".repeat(32) }), "applied");
  assert.deepEqual(lane.tallies[pending].readings, 1, "the new journal does not have it");
});

void test("a fork keeps what is verified as forwarded and appends the rest again, in order, marked, in a new epoch", () => {
  const { store, db, env } = keptStore();
  for (const n of [1, 2, 3]) append(store, [n]);
  append(store, [4], "alarm");
  const lane = theLane(store);
  const first = ownRange(store, lane, 1, 1);
  const foreign = { ...ownRange(store, lane, 1, 2), after: "0123456789abcdef" };
  assert.equal(store.apply(lane, positionOf(lane, 1, [foreign], [first])), "forked");
  const record = store.openRecord();
  assert.deepEqual(record?.givenUp, [lane.epoch]);
  const again = store.lanes();
  assert.ok(again.every((one) => one.epoch === record?.epoch));
  assert.deepEqual(
    again.map((one) => [one.name, rowsOf(store, one).map(({ values }) => values)]),
    [
      ["telemetry", [[2], [3]]],
      ["alarm", [[4]]],
    ],
  );
  assert.ok(store.page(theLane(store), 1).every((row) => row.repeated));
  assert.equal(store.lane("telemetry", lane.epoch), undefined, "the old epoch is sent no more");
  const reread = keptStore({}, db, env).store;
  assert.deepEqual(
    rowsOf(reread, theLane(reread)).map(({ values }) => values),
    [[2], [3]],
  );
});

void test("in the open epoch a pending block that is covered in part is a fork; in a closed one it is cut, with null chains", () => {
  for (const open of [true, false]) {
    const first = keptStore();
    append(first.store, [1, 2, 3, 4, 5]);
    const store = open ? first.store : keptStore({}, first.db, first.env).store;
    const lane = theLane(store);
    const part = { first: 2, last: 3, before: null, after: null };
    assert.equal(store.apply(lane, positionOf(lane, 1, [part])), open ? "forked" : "applied");
    if (open) continue;
    assert.deepEqual(
      rowsOf(store, lane).map(({ first, last, state, values }) => [first, last, state, values]),
      [
        [1, 1, pending, [1]],
        [2, 3, journaled, [2, 3]],
        [4, 5, pending, [4, 5]],
      ],
    );
    const rows = store.page(lane, 1);
    assert.deepEqual(
      rows.map((row) => [row.before === null, row.after === null]),
      [
        [false, true],
        [true, true],
        [true, false],
      ],
    );
    assert.deepEqual([lane.tallies[pending].readings, lane.tallies[journaled].readings], [3, 2]);
  }
});

void test("cuts lie before and behind each range end inside the block, and at its last seq", () => {
  const range = (first: number, last: number) => ({ first, last, before: null, after: null });
  assert.deepEqual(
    cutsOf({ first: 10, count: 10 }, [range(1, 12), range(15, 15), range(18, 40)]),
    [12, 14, 15, 17, 19],
  );
  assert.deepEqual(cutsOf({ first: 10, count: 10 }, [range(1, 9), range(20, 30)]), [19]);
});

void test("a range without a verdict in the open epoch: what it covers waits, and goes on when the epoch is closed", () => {
  const { store, db, env } = keptStore();
  append(store, [1]);
  append(store, [2]);
  const lane = theLane(store);
  const unknown = { ...ownRange(store, lane, 1, 1), after: null };
  assert.equal(store.apply(lane, positionOf(lane, 1, [unknown])), "applied");
  assert.deepEqual(lane.waiting, [{ first: 1, last: 1 }]);
  assert.equal(lane.tallies[pending].readings, 2);
  const later = keptStore({}, db, env).store;
  const closed = theLane(later);
  assert.equal(later.apply(closed, positionOf(closed, 1, [unknown])), "applied");
  assert.equal(closed.tallies[pending].readings, 1);
  assert.deepEqual(closed.waiting, []);
});

void test("expired: what is not forwarded is appended again above the floor, and a start settles what is done", () => {
  const { store, db, env } = keptStore();
  append(store, [1]);
  append(store, [2]);
  const lane = theLane(store);
  store.apply(lane, positionOf(lane, 1, [ownRange(store, lane, 1, 2)], [ownRange(store, lane, 1, 1)]));
  store.expire(lane, 41);
  assert.equal(store.openRecord()?.run, 42);
  assert.deepEqual(
    rowsOf(store, theLane(store)).map(({ values }) => values),
    [[2]],
  );
  const again = theLane(store);
  store.apply(again, positionOf(again, 1, [ownRange(store, again, 1, 1)], [ownRange(store, again, 1, 1)]));
  const later = keptStore({}, db, env).store;
  assert.deepEqual(later.lanes(), []);
  assert.equal(later.lowestUnsettledRun(), 43);
  append(later, [3]);
  assert.equal(later.openRecord()?.run, 43);
});

void test("I8: epochs beyond those in memory are loaded as others settle, while the open one stays", () => {
  const epochs = loadedEpochsMax + 4;
  const { store } = manyEpochs(epochs);
  append(store, [1]);
  const delivered = new Set<string>();
  for (let round = 0; store.lanes().some((lane) => !store.isOpen(lane)); round++) {
    assert.ok(round < 3, "all epochs come to be loaded");
    assert.ok(store.lanes().length <= loadedEpochsMax + 1);
    for (const lane of store.lanes().filter((one) => !store.isOpen(one))) {
      delivered.add(lane.epoch);
      const all = ownRange(store, lane, 1, lane.last);
      store.apply(lane, positionOf(lane, 1, [all], [all]));
    }
  }
  assert.equal(delivered.size, epochs);
  assert.equal(store.isOpen(theLane(store)), true);
});

void test("I8: epochs that wait for an operator do not keep later ones from being loaded, nor from counting as unsettled", () => {
  const epochs = 2 * loadedEpochsMax + 4;
  const { store } = manyEpochs(epochs);
  const lowest = store.lowestUnsettledRun();
  append(store, [1]);
  const seen = new Set<string>();
  do {
    assert.ok(store.lanes().length <= loadedEpochsMax + 1);
    for (const { epoch } of store.lanes()) seen.add(epoch);
  } while (store.loadLater());
  assert.equal(seen.size, epochs + 1);
  assert.equal(store.isOpen(theLane(store)), true);
  assert.equal(store.lowestUnsettledRun(), lowest);
  store.loadOldest();
  assert.equal(store.lanes()[0]?.run, lowest);
});

void test("an abandoned group: everything not reported forwarded gets a new name, however many epochs there are", () => {
  const { store } = manyEpochs(70);
  store.setGroup("b".repeat(32));
  const done = store.lanes()[0] as ReturnType<typeof theLane>;
  const all = ownRange(store, done, 1, 1);
  store.apply(done, positionOf(done, 1, [all], [all]));
  store.abandonGroup();
  assert.equal(store.group(), null);
  const again = store.lanes();
  assert.deepEqual(
    again.map(({ last }) => last),
    [64, 5],
    "a record names 64 epochs at the most",
  );
  assert.equal(store.openRecord()?.givenUp.length, 5);
});

void test("what was evicted and a journal has lost is gone: reported as joined spans, however many blocks it was", () => {
  const { store } = keptStore({ quotaBytes: 1024 * 1024 });
  for (let i = 0; i < 6; i++) appendLarge(store, i);
  const lane = theLane(store);
  store.apply(lane, positionOf(lane, 1, [ownRange(store, lane, 1, 6)]));
  const chain = chainAt(store, lane, 6);
  for (let i = 0; rowsOf(store, lane).length === 6; i++) appendLarge(store, i, "alarm");
  assert.equal(rowsOf(store, lane).length < 6, true, "journaled blocks gave way");
  store.apply(lane, positionOf(lane, 2, []));
  const left = rowsOf(store, lane)[0]?.first ?? 7;
  assert.deepEqual(lane.gone, [{ first: 1, last: left - 1 }]);
  assert.equal(store.usage().goneReadings, left - 1);
  store.apply(lane, positionOf(lane, 3, [{ first: 1, last: 6, before: null, after: chain }]));
  assert.deepEqual(lane.gone, []);
});

void test("what left the store and the queue has is no hole where a later position ends in an unknown chain", () => {
  const { store } = keptStore({ quotaBytes: 1024 * 1024 });
  for (let i = 0; i < 6; i++) appendLarge(store, i);
  const lane = theLane(store);
  const all = ownRange(store, lane, 1, 6);
  store.apply(lane, positionOf(lane, 1, [all], [all]));
  for (let i = 0; rowsOf(store, lane).length === 6; i++) appendLarge(store, i, "alarm");
  const left = rowsOf(store, lane);
  assert.ok(left.length < 6, "forwarded blocks gave way, and their edges went with them");
  const unknown = { ...all, after: null };
  assert.equal(store.apply(lane, positionOf(lane, 2, [unknown], [unknown])), "applied");
  assert.deepEqual(lane.journaled, []);
  assert.deepEqual(
    store.page(lane, 1).map(({ first }) => first),
    left.map(({ first }) => first),
  );
});

void test("I6: giving up an epoch names what left the store and is not known forwarded, and keeps the reason of its losses", () => {
  const { store } = keptStore({ quotaBytes: 1024 * 1024 });
  for (let i = 0; i < 4; i++) appendLarge(store, i);
  const lane = theLane(store);
  store.apply(lane, positionOf(lane, 1, [ownRange(store, lane, 1, 4)], [ownRange(store, lane, 1, 1)]));
  const edge = chainAt(store, lane, 1);
  for (let i = 4; i < 30; i++) appendLarge(store, i);
  const before = store.usage().losses;
  assert.ok((before.get("quota") ?? 0) > 0);
  store.fork(lane);
  const again = theLane(store);
  assert.notEqual(again.epoch, lane.epoch);
  assert.equal(store.usage().losses.get("journal-lost"), 3, "the verified one stays under its old name");
  const rows = store.page(again, 1);
  const reasons = rows
    .filter(({ codec }) => codec === 0)
    .map((row) => [row.count, readLoss((store.block(again, row) as { bytes: Uint8Array }).bytes).reason]);
  assert.deepEqual(reasons, [
    [1, "journal-lost"],
    [1, "journal-lost"],
    [1, "journal-lost"],
    [before.get("quota"), "quota"],
  ]);
  assert.ok(rows.every(({ repeated }) => repeated));
  assert.equal(
    rows.reduce((sum, { count }) => sum + count, 0),
    29,
  );
  assert.ok(edge !== null);
});
