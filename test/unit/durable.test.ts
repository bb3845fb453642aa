/** What is accepted, journaled or queued is one durable step: failures and ends between its parts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Store } from "../../agent/store/store.ts";
import { identityInMemory } from "../../gateway/journal/identity.ts";
import { memoryPlace } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import { openFileQueue } from "../../gateway/queue/file.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import { realEnv } from "../../shared/env.ts";
import { codeOf, Fault } from "../../shared/errors.ts";
import { openDatabase } from "../../shared/sqlite.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { keptStore, rowsOf, wallUs } from "../fakes/agent-store.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { fakeQueue } from "../fakes/queue.ts";
import { queueOptions, readLines, tempFolder } from "../fakes/queue-folder.ts";
import { watchDb } from "../fakes/watched-db.ts";

const cacheBytes = 1024 * 1024;

void test("I1: readings and the cursor that covers them are one step, whichever statement fails", () => {
  const columns = gatherColumns([{ name: "n", timeUs: wallUs, value: 1 }]);
  for (let nth = 1, failed = true; failed; nth++) {
    const { db, env } = keptStore();
    const watched = watchDb(db);
    const { store } = keptStore({}, watched.db, env);
    watched.failAt(nth);
    let isAccepted = true;
    try {
      store.append([{ stream: "telemetry", columns }], [{ key: "tail/a", value: "17" }]);
    } catch {
      isAccepted = false;
    }
    failed = watched.changes() >= nth;
    const { store: again } = keptStore({}, db, env);
    const held = again.lanes().flatMap((lane) => rowsOf(again, lane).flatMap(({ values }) => values));
    const where = `statement ${nth}`;
    assert.deepEqual(held, isAccepted ? [1] : [], where);
    assert.equal(again.cursor("tail/a"), isAccepted ? "17" : undefined, where);
  }
});

void test("I1: a store whose device failed takes nothing more until it is opened anew, whichever statement failed", () => {
  const columns = gatherColumns([{ name: "n", timeUs: wallUs, value: 1 }]);
  const append = (store: Store): void => store.append([{ stream: "telemetry", columns }], []);
  for (let nth = 1, failed = true; failed; nth++) {
    const { db, env } = keptStore();
    const watched = watchDb(db);
    const { store } = keptStore({}, watched.db, env);
    watched.failAt(nth, "SQLITE_IOERR_FSYNC");
    try {
      append(store);
    } catch (error) {
      assert.equal(codeOf(error), "SQLITE_IOERR_FSYNC");
    }
    failed = watched.changes() >= nth;
    if (!failed) return;
    const isRefused = (error: unknown): boolean => error instanceof Fault && error.retryable;
    assert.throws(() => append(store), isRefused, `statement ${nth}`);
    assert.throws(() => store.setGroup("g"), isRefused, `statement ${nth}`);
    append(keptStore({}, db, env).store);
  }
});

void test("I1, I3: every commit of every file syncs, also where the file was there before", (t) => {
  const path = join(tempFolder(t), "some.db");
  const full = 2;
  for (const opening of ["a new file", "the same file again"]) {
    const db = openDatabase(path, { cacheBytes });
    assert.equal(db.pragma("journal_mode", { simple: true }), "wal", opening);
    assert.equal(db.pragma("synchronous", { simple: true }), full, opening);
    db.exec("CREATE TABLE IF NOT EXISTS t(x)");
    db.close();
  }
});

void test("I3: what a journal answers stands in what it committed, wherever the process ends", async () => {
  const db = openDatabase(":memory:", { cacheBytes });
  const options = { place: memoryPlace(db, identityInMemory()), env: realEnv(), quotaBytes: 1e9, log: silent };
  const queue = fakeQueue().open();
  const journal = await openSqliteJournal({ ...options, queue });
  const lane = agentLane();
  const answer = await journal.take("pump-1", lane.batch([lane.block(5)]));
  const exec = db.exec.bind(db);
  db.exec = (sql) => {
    exec(sql);
    // The process ends right after the commit: whatever it would still write is never written.
    if (sql === "COMMIT") throw new Error("the process ended");
    return db;
  };
  await assert.rejects(journal.take("pump-1", lane.batch([lane.block(5)])));
  db.exec = exec;
  const again = await openSqliteJournal({ ...options, queue });
  assert.equal(again.journalId(), journal.journalId());
  const { state } = await again.ask("pump-1", lane.ask(answer.state?.version));
  assert.deepEqual(
    state?.journaled.map(({ first, last }) => [first, last]),
    [[1, 10]],
  );
  assert.equal(again.usage().readings, 10);
  db.close();
});

void test("I5: lines and positions of a commit are one step: where positions fail, no line is there", async (t) => {
  const folder = tempFolder(t);
  const queue = openFileQueue(queueOptions(folder));
  t.after(() => queue.close());
  const lane = laneOf("pump-17");
  const unstorable = { ...positionOf(lane, 1, 2), storeId: null as unknown as string };
  await assert.rejects(queue.commit([readings(lane, 1, [1, 2])], [unstorable]));
  assert.deepEqual(await readLines(folder), []);
  assert.deepEqual(queue.forwarded(lane), []);
  await queue.commit([readings(lane, 1, [1, 2])], [positionOf(lane, 1, 2)]);
  assert.deepEqual(
    (await readLines(folder)).map(({ seq }) => seq),
    [1, 2],
  );
});
