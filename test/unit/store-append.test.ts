import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Lane } from "../../agent/store/lanes.ts";
import type { Store } from "../../agent/store/store.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import { chainStart } from "../../shared/chain.ts";
import type { Fault } from "../../shared/errors.ts";
import { blockReadingsMax } from "../../shared/limits.ts";
import {
  append,
  keptStore,
  noise,
  ownRange,
  positionOf,
  rowsOf,
  storeIn,
  tempFolder,
  theLane,
  upTo,
  wallUs,
} from "../fakes/agent-store.ts";
import { watchDb } from "../fakes/watched-db.ts";

const frameBytes = 4096 + 24;

/** What a lane is, without the object's identity. */
const plain = (lanes: readonly Lane[]) => lanes.map((lane) => ({ ...lane, talliedTo: 0, untallied: 0 }));

void test("I1: what was appended is there after the process is gone, with its cursor, in the order it came", () => {
  const { db, env, store } = keptStore();
  append(store, [1, 2, 3]);
  store.append(
    [{ stream: "telemetry", columns: gatherColumns([{ name: "n", timeUs: wallUs, value: 4 }]) }],
    [{ key: "tail/a", value: "17" }],
  );
  const again = keptStore({}, db, env).store;
  assert.deepEqual(
    rowsOf(again, theLane(again)).map(({ first, last, values }) => [first, last, values]),
    [
      [1, 3, [1, 2, 3]],
      [4, 4, [4]],
    ],
  );
  assert.equal(again.cursor("tail/a"), "17");
  assert.equal(again.openRecord(), null, "a start opens no epoch");
});

void test("an epoch starts with its first reading, at seq 1 and the chain of its name; its record names its predecessor", () => {
  const { db, env, store } = keptStore();
  append(store, [1]);
  const lane = theLane(store);
  assert.equal(store.page(lane, 1)[0]?.before, chainStart(lane.epoch, "telemetry"));
  const next = keptStore({}, db, env).store;
  append(next, [2, 3]);
  const record = next.openRecord();
  assert.equal(record?.run, 2);
  assert.deepEqual(record?.predecessor, { epoch: lane.epoch, lastSeqs: new Map([["telemetry", 1]]) });
});

void test("I1: a request that cannot be stored is refused whole: no cursor moves, no stream gets anything, no seq is used", () => {
  const { store } = keptStore({ quotaBytes: 1024 * 1024 });
  append(store, [1], "alarm");
  const large = gatherColumns(upTo(0, 20).map((n) => ({ name: "n", timeUs: wallUs, value: noise(60_000, n) })));
  const refused = { code: "full", retryable: true };
  const small = gatherColumns([{ name: "n", timeUs: wallUs, value: 2 }]);
  assert.throws(
    () =>
      store.append(
        [
          { stream: "telemetry", columns: small },
          { stream: "alarm", columns: large },
        ],
        [{ key: "c", value: "1" }],
      ),
    refused,
  );
  assert.equal(store.cursor("c"), undefined);
  assert.deepEqual(
    store.lanes().map(({ name, last }) => [name, last]),
    [["alarm", 1]],
  );
  append(store, [2], "alarm");
  assert.equal(theLane(store, "alarm").last, 2);
});

void test("no readings open no epoch; cursors alone are committed", () => {
  const { store } = keptStore();
  store.append([], [{ key: "c", value: "1" }]);
  store.append([{ stream: "telemetry", columns: gatherColumns([]) }], []);
  assert.equal(store.openRecord(), null);
  assert.equal(store.cursor("c"), "1");
  assert.throws(() => append(store, [1], "nowhere"), { code: "bad-input" });
});

/** Each way in which a transaction changes lanes. */
const changes: readonly { name: string; prepare: (store: Store) => void; change: (store: Store) => void }[] = [
  { name: "append", prepare: () => {}, change: (store) => append(store, [9, 10]) },
  {
    name: "apply",
    prepare: () => {},
    change(store) {
      const lane = theLane(store);
      const range = ownRange(store, lane, 1, 6);
      store.apply(lane, positionOf(lane, 1, [range], [ownRange(store, lane, 1, 3)]));
    },
  },
  { name: "fork", prepare: () => {}, change: (store) => store.fork(theLane(store)) },
  { name: "expire", prepare: () => {}, change: (store) => store.expire(theLane(store), 7) },
  {
    name: "merge",
    prepare(store) {
      for (const n of upTo(20, 400)) append(store, upTo(n * 3, 3));
    },
    change: (store) => store.maintain(),
  },
];

for (const { name, prepare, change } of changes) {
  void test(`memory and file agree whichever statement of ${name} fails, and the second try counts once`, () => {
    for (let nth = 1; nth < 500; nth += name === "merge" ? 97 : 1) {
      const raw = keptStore();
      const watched = watchDb(raw.db);
      let dropped = 0;
      const ballast = { drop: () => ++dropped > 0, restore: () => true };
      const { store, env } = keptStore({ ballast }, watched.db);
      append(store, [1, 2, 3]);
      append(store, [4, 5, 6]);
      append(store, [7]);
      prepare(store);
      watched.failAt(nth);
      try {
        change(store);
      } catch (error) {
        assert.equal((error as Fault).message.includes("full"), true, String(error));
      }
      const failed = watched.changes() >= nth;
      const inMemory = plain(store.lanes().filter((lane) => !store.isOpen(lane)));
      const openLane = store.openRecord() === null ? [] : plain(store.lanes().filter((lane) => store.isOpen(lane)));
      const reread = keptStore({}, raw.db, env).store;
      const onDisk = plain(reread.lanes());
      assert.deepEqual([...inMemory, ...openLane].sort(byRun), onDisk.sort(byRun), `statement ${nth} of ${name}`);
      if (!failed) return;
    }
  });
}

const byRun = (a: { run: number; stream: number }, b: { run: number; stream: number }) =>
  a.run - b.run || a.stream - b.stream;

void test("I8: a start reads few rows whatever waits, also where the number of blocks is never a multiple of anything", () => {
  const { db, env, store } = keptStore();
  append(store, [0]);
  const readings = upTo(0, blockReadingsMax + 1).map((value) => ({ name: "n", timeUs: wallUs + value, value }));
  const twoBlocks = gatherColumns(readings);
  const appends = 260;
  for (let i = 0; i < appends; i++) store.append([{ stream: "telemetry", columns: twoBlocks }], []);
  const watched = watchDb(db);
  const { store: again } = keptStore({}, watched.db, env);
  append(again, [1]);
  assert.equal(again.usage().pending.get("telemetry")?.readings, appends * readings.length + 2);
  assert.ok(watched.rows() < 300, `${watched.rows()} rows`);
});

void test("an append of one reading writes little more than one page once the tables are there", (t) => {
  const { file, store } = storeIn(tempFolder(t));
  const folder = file.quarantine.folder.replace(/quarantine$/, "");
  append(store, [1]);
  append(store, [2]);
  const wal = join(folder, "store.db-wal");
  const before = statSync(wal).size;
  const appends = 40;
  for (let i = 0; i < appends; i++) append(store, [i]);
  const frames = (statSync(wal).size - before) / frameBytes;
  file.close();
  assert.ok(frames <= appends * 1.5, `${frames} pages for ${appends} appends`);
});
