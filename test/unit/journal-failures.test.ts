import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { identityInMemory } from "../../gateway/journal/identity.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { folderPlace, memoryPlace, type Place } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { crcHolds } from "../../shared/block/block.ts";
import { realEnv } from "../../shared/env.ts";
import type { Fault } from "../../shared/errors.ts";
import { covers, sizeOf } from "../../shared/ranges.ts";
import { type Db, openDatabase } from "../../shared/sqlite.ts";
import { forwardedBy } from "../contract/journal.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { forwardOnce } from "../fakes/forward-once.ts";
import { journalInMemory, silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

const env = realEnv();

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-journal-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface OnDisk {
  readonly journal: Journal;
  readonly failed: Fault[];
}

/** Opens the journal in `folder`; `watch` sees each database that is opened. */
async function openIn(
  t: TestContext,
  folder: string,
  queue: Queue,
  watch: (db: Db) => void = () => {},
): Promise<OnDisk> {
  const place = folderPlace(folder, env);
  const watched: Place = {
    ...place,
    open() {
      const db = place.open();
      watch(db);
      return db;
    },
  };
  const failed: Fault[] = [];
  const options = { place: watched, env, quotaBytes: 1e9, queue, log: silent };
  const journal = await openSqliteJournal({ ...options, onFailed: (fault) => failed.push(fault) });
  t.after(() => journal.close());
  return { journal, failed };
}

const spansOf = (ranges: readonly { first: number; last: number }[] | undefined) =>
  ranges?.map(({ first, last }) => [first, last]);

test("I10: a damaged row of a lane gives a new journal id, and what it held comes again", async () => {
  const queue = fakeQueue().open();
  const { journal, db, newIds } = await journalInMemory(queue);
  const [lane, other] = [agentLane({ run: 1 }), agentLane({ run: 2 })];
  const batch = lane.batch([lane.block(5)]);
  await journal.take("pump-1", batch);
  await journal.take("pump-1", other.batch([other.block(5)]));
  // Flipped behind the journal's back, and read again by a journal without a cache.
  db.prepare(`UPDATE lanes SET detail = replace(detail, '"last":5', '"last":7') WHERE epoch = ?`).run(lane.lane.epoch);
  const again = await journalInMemory(queue, db);
  assert.notEqual(again.journal.journalId(), journal.journalId());
  assert.deepEqual(newIds, []);
  assert.equal((await again.journal.ask("pump-1", lane.ask())).state?.version, 0);
  assert.deepEqual(spansOf((await again.journal.ask("pump-1", other.ask())).state?.journaled), [[1, 5]]);
  const { refusals } = await again.journal.take("pump-1", batch);
  assert.deepEqual(refusals, []);
});

test("I10: a damaged head of an entry is found when it is read; a new id makes its seqs come again", async () => {
  const queue = fakeQueue().open();
  const { journal, db, newIds } = await journalInMemory(queue);
  const lane = agentLane();
  const blocks = [lane.block(5), lane.block(5)];
  await journal.take("pump-1", lane.batch(blocks));
  db.prepare("UPDATE entries SET first = 100 WHERE id = 1").run();
  assert.deepEqual(
    journal.read(1e6, 1e6).map(({ block }) => block.first),
    [6],
  );
  assert.deepEqual(newIds, [journal.journalId()]);
  assert.deepEqual(spansOf((await journal.ask("pump-1", lane.ask())).state?.journaled), [[6, 10]]);
});

test("I6: a disk that is full refuses batches, still settles, and takes again", async () => {
  const queue = fakeQueue().open();
  const { journal, db } = await journalInMemory(queue);
  const lane = agentLane();
  const [kept, extra] = [lane.block(5, new Uint8Array(100_000)), lane.block(5, new Uint8Array(200_000))];
  await journal.take("pump-1", lane.batch([kept]));
  const pages = db.pragma("page_count", { simple: true }) as number;
  db.pragma(`max_page_count=${pages + 2}`);
  const hindered = await journal.take("pump-1", lane.batch([extra]));
  assert.deepEqual(
    hindered.refusals.map(({ reason }) => reason),
    ["full"],
  );
  const { state } = await journal.ask("pump-1", lane.ask());
  assert.deepEqual(spansOf(state?.journaled), [[1, 5]], "positions are told although the disk is full");
  const [entry] = journal.read(1e6, 1e6);
  const position = { lane: lane.lane, storeId: lane.record.storeId, run: 1, forwarded: forwardedBy([kept]) };
  await journal.settle([entry?.id as number], [position]);
  assert.equal(journal.usage().blocks, 0);
  assert.equal(journal.usage().bytes, 0);
});

test("I6: a journal whose lanes alone fill its quota takes batch by batch what the queue takes", async () => {
  const queue = fakeQueue().open();
  const db = openDatabase(":memory:", { cacheBytes: 1024 * 1024 });
  const options = { place: memoryPlace(db, identityInMemory()), env, quotaBytes: 4096, queue, log: silent };
  const journal = await openSqliteJournal(options);
  const lane = agentLane();
  for (const block of [lane.block(5), lane.block(5), lane.block(5)]) {
    assert.deepEqual((await journal.take("pump-1", lane.batch([block]))).refusals, []);
    const other = agentLane({ run: 2 });
    const more = await journal.take("pump-1", other.batch([other.block(5)]));
    assert.deepEqual(
      more.refusals.map(({ reason }) => reason),
      ["full"],
    );
    await forwardOnce(journal, queue);
  }
  await journal.close();
});

test("I4: a journal that was put back to before the queue forgot an epoch does not send it there again", async () => {
  const handle = fakeQueue();
  const queue = handle.open();
  const { journal, db, copy } = await journalInMemory(queue);
  const [settled, waiting] = [agentLane({ run: 4 }), agentLane({ run: 5 })];
  await journal.take("pump-1", settled.batch([settled.block(3)]));
  await forwardOnce(journal, queue);
  await journal.take("pump-1", waiting.batch([waiting.block(3)]));
  const image = db.serialize();
  await forwardOnce(journal, queue);
  // Both in one step of the queue: the settled one alone looks like a forgetting that a stop interrupted.
  const { storeId } = waiting.record;
  await queue.forget({ agent: "pump-1", storeId, run: 5 }, [settled.lane, waiting.lane]);
  const back = await journalInMemory(queue, new Database(image), copy);
  assert.notEqual(back.journal.journalId(), journal.journalId());
  await forwardOnce(back.journal, queue);
  const seqs = handle.outcomes.flatMap(({ lane, spans }) => spans.map(({ first }) => `${lane.epoch} ${first}`));
  assert.equal(new Set(seqs).size, seqs.length, "a reading stands in the queue twice");
  const { refusals } = await back.journal.ask("pump-1", waiting.ask());
  assert.deepEqual(
    refusals.map(({ reason, floor }) => [reason, floor]),
    [["expired", 5]],
  );
});

test("I10: a file that is no database is set aside, and a journal seeded by the queue begins", async (t) => {
  const folder = tempFolder(t);
  const queue = fakeQueue().open();
  const lane = agentLane();
  const forwarded = forwardedBy([lane.block(5)]);
  await queue.commit([], [{ lane: lane.lane, storeId: lane.record.storeId, run: 1, forwarded }]);
  writeFileSync(join(folder, "journal.db"), Buffer.alloc(20_000, "not a database "));
  const { journal } = await openIn(t, folder, queue);
  assert.deepEqual((await journal.ask("pump-1", lane.ask())).state?.forwarded, forwarded);
  assert.equal(readdirSync(folder).filter((name) => name.startsWith("journal.db.damaged-")).length, 1);
});

for (const when of ["at open", "while it runs"] as const) {
  test(`I10: damaged pages ${when}: the file is set aside, what can be read is taken over, the rest comes again`, async (t) => {
    const folder = tempFolder(t);
    const queue = fakeQueue().open();
    const lane = agentLane();
    const blocks = Array.from({ length: 300 }, () => lane.block(5, randomBytes(3000)));
    let { journal } = await openIn(t, folder, queue);
    for (let at = 0; at < 300; at += 50) await journal.take("pump-1", lane.batch(blocks.slice(at, at + 50)));
    await journal.close();
    const path = join(folder, "journal.db");
    const before = journal.journalId();
    const spoil = (): void => {
      const file = readFileSync(path);
      for (let at = 60; at < 120; at++) file.fill(0xa5, at * 4096, (at + 1) * 4096);
      writeFileSync(path, file);
    };
    if (when === "at open") {
      spoil();
      ({ journal } = await openIn(t, folder, queue));
    } else {
      ({ journal } = await openIn(t, folder, queue));
      spoil();
    }
    const held = (): number[] => journal.read(1e9, 1e9).flatMap(({ block }) => (crcHolds(block) ? [block.first] : []));
    const salvaged = held().length;
    assert.ok(salvaged > 150 && salvaged < 300, `${salvaged} of 300 blocks were taken over`);
    const { state } = await journal.ask("pump-1", lane.ask());
    assert.equal(sizeOf(state?.journaled ?? []), 5 * salvaged, "the position says what is there");
    assert.notEqual(journal.journalId(), before);
    const missing = blocks.filter((block) => !covers(state?.journaled ?? [], block.first, block.first + 4));
    const { refusals } = await journal.take("pump-1", lane.batch(missing));
    assert.deepEqual(refusals, []);
    assert.deepEqual(
      held().sort((a, b) => a - b),
      blocks.map((block) => block.first),
    );
    assert.equal(readdirSync(folder).filter((name) => name.startsWith("journal.db.damaged-")).length > 0, true);
  });
}

test("a journal whose file was put back, or whose side file is gone, takes a new id", async (t) => {
  const folder = tempFolder(t);
  const backup = join(tempFolder(t), "journal.db");
  const queue = fakeQueue().open();
  const lane = agentLane();
  async function run(work: (journal: Journal) => Promise<void> = async () => {}): Promise<string> {
    const { journal } = await openIn(t, folder, queue);
    await work(journal);
    await journal.close();
    return journal.journalId();
  }
  const first = await run();
  copyFileSync(join(folder, "journal.db"), backup);
  const second = await run(async (journal) => void (await journal.take("pump-1", lane.batch([lane.block(5)]))));
  assert.equal(second, first, "an orderly stop changes nothing");
  copyFileSync(backup, join(folder, "journal.db"));
  const third = await run(async (journal) => {
    assert.equal((await journal.ask("pump-1", lane.ask())).state?.version, 0);
  });
  assert.notEqual(third, second);
  rmSync(join(folder, "journal.id"));
  assert.notEqual(await run(), third);
  rmSync(join(folder, "journal.db"));
  assert.notEqual(await run(), third);
});

test("one process per journal", async (t) => {
  const folder = tempFolder(t);
  await openIn(t, folder, fakeQueue().open());
  assert.throws(() => folderPlace(folder, env), { code: "locked" });
});

/** Makes the next `times` commits fail as an fsync that returned EIO does. */
function failCommits(db: Db, times: { left: number }): void {
  const exec = db.exec.bind(db);
  db.exec = (sql) => {
    if (sql !== "COMMIT" || times.left === 0) return exec(sql);
    times.left--;
    throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_FSYNC" });
  };
}

test("I3: after an fsync that failed the file is opened anew before anything is answered", async (t) => {
  const queue = fakeQueue().open();
  const times = { left: 0 };
  let opens = 0;
  const { journal, failed } = await openIn(t, tempFolder(t), queue, (db) => {
    opens++;
    failCommits(db, times);
  });
  const lane = agentLane();
  const before = journal.journalId();
  times.left = 1;
  const { state } = await journal.take("pump-1", lane.batch([lane.block(5)]));
  assert.deepEqual(spansOf(state?.journaled), [[1, 5]]);
  assert.equal(opens, 2);
  assert.equal(journal.journalId(), before);
  assert.equal(journal.read(1e6, 1e6).length, 1);
  assert.deepEqual(failed, []);
});

test("I3: a disk that fails again ends the journal with a Fault that says what to do", async (t) => {
  const queue = fakeQueue().open();
  const times = { left: 0 };
  const { journal, failed } = await openIn(t, tempFolder(t), queue, (db) => failCommits(db, times));
  const lane = agentLane();
  times.left = Number.POSITIVE_INFINITY;
  await assert.rejects(journal.take("pump-1", lane.batch([lane.block(5)])));
  await assert.rejects(journal.take("pump-1", lane.batch([lane.block(5)])), { code: "unavailable" });
  assert.equal(failed.length, 1);
  assert.match(failed[0]?.remedy ?? "", /disk/);
  times.left = 0;
});

test("the ballast is laid, so that a full disk can still delete", async (t) => {
  const folder = tempFolder(t);
  const { journal } = await openIn(t, folder, fakeQueue().open());
  assert.ok(existsSync(join(folder, "ballast")));
  await journal.close();
});
