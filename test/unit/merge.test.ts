import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlockRow } from "../../agent/store/blocks.ts";
import { startHousekeeping } from "../../agent/store/housekeeping.ts";
import { chooseRun, mergeReadings } from "../../agent/store/merge.ts";
import type { Store } from "../../agent/store/store.ts";
import { append, keptStore, rowsOf, silentQuarantine, theLane, upTo, wallUs } from "../fakes/agent-store.ts";
import { createManualEnv } from "../fakes/manual-env.ts";
import { watchDb } from "../fakes/watched-db.ts";

const never = () => false;

function row(first: number, count: number, change: Partial<BlockRow> = {}): BlockRow {
  const place = { run: 1, stream: 1, first, count, before: "aa", after: "bb", state: 0, segment: 1 } as const;
  const bytes = { codec: 1, rawBytes: 10, crc: 0, sizeBytes: 10, body: null, repeated: false, minUs: 0, maxUs: 0 };
  return { ...place, ...bytes, ...change };
}

const spans = (rows: readonly BlockRow[]) => rows.map(({ first }) => first);

void test("neighbours merge once they reach the size, and the rest waits for company unless nothing will follow", () => {
  const rows = [row(1, 600), row(601, 600), row(1201, 5), row(1206, 5)];
  assert.deepEqual(spans(chooseRun(rows, never, false).run), [1, 601]);
  const rest = chooseRun(rows.slice(2), never, false);
  assert.deepEqual([rest.run, rest.resume], [[], 1201]);
  const last = chooseRun(rows.slice(2), never, true);
  assert.deepEqual([spans(last.run), last.resume], [[1201, 1206], 1211]);
});

void test("what was sent, is no neighbour, of another clock, marked otherwise, a loss or delivered never merges", () => {
  const others: [string, BlockRow[], (row: BlockRow) => boolean][] = [
    ["sent", [row(1, 5), row(6, 5)], ({ first }) => first === 1],
    ["apart", [row(1, 5), row(7, 5)], never],
    ["another clock", [row(1, 5), row(6, 5, { segment: 2 })], never],
    ["marked", [row(1, 5), row(6, 5, { repeated: true })], never],
    ["a loss", [row(1, 5), row(6, 5, { codec: 0 })], never],
    ["delivered", [row(1, 5, { state: 1 }), row(6, 5)], never],
    ["too many bytes", [row(1, 5, { sizeBytes: 60_000 }), row(6, 5, { sizeBytes: 10_000 })], never],
  ];
  for (const [name, rows, isSent] of others) assert.deepEqual(chooseRun(rows, isSent, true).run, [], name);
});

void test("a merged block holds the same readings, keeps the outer chains, and the counts stay right", () => {
  const { store, db, env } = keptStore();
  append(store, [0]);
  store.noteSent(store.page(theLane(store), 1)[0] as BlockRow);
  for (let i = 0; i < 50; i++) append(store, upTo(1 + i * 30, 30));
  const lane = theLane(store);
  const before = store.page(lane, 2);
  while (store.maintain());
  const after = store.page(lane, 2);
  assert.ok(after.length < before.length / 2);
  assert.equal(after[0]?.before, before[0]?.before);
  assert.ok(
    after.every((one) =>
      before.some((old) => old.after === one.after && old.first + old.count === one.first + one.count),
    ),
  );
  assert.deepEqual(
    rowsOf(store, lane).flatMap(({ values }) => values),
    upTo(0, 1501),
  );
  const reread = theLane(keptStore({}, db, env).store);
  assert.deepEqual({ ...reread.tallies }, { ...lane.tallies });
  assert.equal(lane.tallies[0].readings, 1501);
});

void test("I8: what waits for company costs nothing while nothing comes, in closed epochs and in the open one", () => {
  const watched = watchDb(keptStore().db);
  const first = keptStore({}, watched.db);
  for (let i = 0; i < 300; i++) append(first.store, [i]);
  const { store } = keptStore({}, watched.db, first.env);
  for (let i = 0; i < 200; i++) append(store, [i]);
  while (store.maintain());
  const lanes = store.lanes();
  assert.deepEqual(
    lanes.map((lane) => store.page(lane, 1).length),
    [1, 200],
    "a closed epoch's last small blocks merge though they are few",
  );
  const rows = watched.rows();
  store.maintain();
  assert.equal(watched.rows() - rows, 0);
});

void test("I10: a merge that found no room is tried again, and a block that cannot be decoded is passed over", () => {
  const env = createManualEnv(wallUs);
  let calls = 0;
  const store = {
    maintain() {
      calls++;
      if (calls === 1) throw Object.assign(new Error("full"), { code: "SQLITE_FULL" });
      return false;
    },
  } as unknown as Store;
  const stop = startHousekeeping(store, env);
  assert.throws(() => env.advance(1_000));
  env.advance(1_000);
  assert.equal(calls, 2);
  stop();
  env.advance(10_000);
  assert.equal(calls, 2);

  const kept = keptStore({ quarantine: silentQuarantine });
  for (let i = 0; i < 4; i++) append(kept.store, upTo(i * 300, mergeReadings / 2));
  kept.db.exec("UPDATE block SET codec = 9 WHERE first = 1");
  while (kept.store.maintain());
  assert.equal(kept.store.page(theLane(kept.store), 1).length, 3);
});
