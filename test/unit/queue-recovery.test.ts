import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import Database from "better-sqlite3";
import { openFileQueue } from "../../gateway/queue/file.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { replaceFs, systemError } from "../fakes/fs-faults.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { queueOptions, readLines, tempFolder } from "../fakes/queue-folder.ts";

const lane = laneOf("pump-17");
const openName = "000000000001.ndjson.open";

const commit = (queue: Queue, seq: number) => queue.commit([readings(lane, seq, [seq])], [positionOf(lane, 1, seq)]);
const seqs = async (folder: string) => (await readLines(folder)).map((line) => line.seq);
const segments = (folder: string) => readdirSync(folder).filter((name) => name.includes(".ndjson"));

/** A stopped queue with the readings 1 to 3 in it. */
async function stoppedQueue(t: TestContext, more = {}): Promise<string> {
  const folder = tempFolder(t);
  const queue = openFileQueue(queueOptions(folder, more));
  for (const seq of [1, 2, 3]) await commit(queue, seq);
  await queue.close();
  return folder;
}

async function goesOn(folder: string): Promise<void> {
  const queue = openFileQueue(queueOptions(folder));
  try {
    assert.deepEqual(await seqs(folder), [1, 2, 3]);
    assert.deepEqual(queue.forwarded(lane), positionOf(lane, 1, 3).forwarded);
    await commit(queue, 4);
    assert.deepEqual(await seqs(folder), [1, 2, 3, 4]);
  } finally {
    await queue.close();
  }
}

const damaged = { name: "Fault", code: "damaged", retryable: false };

void describe("recovery of the file queue", () => {
  void it("I5: what stands behind the committed length is cut and never read", async (t) => {
    const folder = await stoppedQueue(t);
    for (const torn of ['{"kind":"reading","seq":4}\n', '{"kind":"rea', "\0".repeat(5000)]) {
      const { size } = statSync(join(folder, openName));
      appendFileSync(join(folder, openName), torn);
      assert.deepEqual(await seqs(folder), [1, 2, 3], "a reader of the stopped queue does not see it");
      await openFileQueue(queueOptions(folder)).close();
      assert.equal(statSync(join(folder, openName)).size, size);
    }
    await goesOn(folder);
  });

  void it("I5: an open segment that is shorter than its committed length, or missing, is refused with the remedy", async (t) => {
    const folder = await stoppedQueue(t);
    truncateSync(join(folder, openName), statSync(join(folder, openName)).size - 1);
    for (const spoil of [() => {}, () => rmSync(join(folder, openName))]) {
      spoil();
      assert.throws(
        () => openFileQueue(queueOptions(folder)),
        (fault: { remedy?: string }) => {
          assert.match(fault.remedy ?? "", /restore the whole folder/);
          return true;
        },
      );
      assert.throws(() => openFileQueue(queueOptions(folder)), damaged);
    }
  });

  void it("I5: segments without positions.db, or with an older one, are refused and left alone", async (t) => {
    const folder = await stoppedQueue(t);
    writeFileSync(join(folder, "000000000002.ndjson.open"), "");
    assert.throws(() => openFileQueue(queueOptions(folder)), damaged);
    rmSync(join(folder, "000000000002.ndjson.open"));
    rmSync(join(folder, "positions.db"));
    assert.throws(() => openFileQueue(queueOptions(folder)), damaged);
    assert.deepEqual(segments(folder), [openName]);
  });

  void it("a roll-over that was interrupted before the rename is finished, garbage and all", async (t) => {
    const folder = await stoppedQueue(t, { segmentBytesMax: 1 });
    assert.equal(segments(folder).length, 4);
    renameSync(join(folder, "000000000003.ndjson"), join(folder, "000000000003.ndjson.open"));
    rmSync(join(folder, "000000000004.ndjson.open"));
    appendFileSync(join(folder, "000000000003.ndjson.open"), "garbage");
    assert.deepEqual(await seqs(folder), [1, 2, 3]);
    await goesOn(folder);
    assert.deepEqual(segments(folder).at(-2), "000000000003.ndjson");
  });

  void it("I5: a rename that fails does not undo the commit, and is done later", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder, { segmentBytesMax: 1 }));
    t.after(() => queue.close());
    const restore = replaceFs(t, "renameSync", () => () => {
      throw systemError("EIO");
    });
    await commit(queue, 1);
    assert.deepEqual(segments(folder), [openName]);
    assert.deepEqual(await seqs(folder), [1]);
    restore();
    await commit(queue, 2);
    assert.deepEqual(await seqs(folder), [1, 2]);
    assert.ok(existsSync(join(folder, "000000000001.ndjson")));
  });

  void it("I5: after a sync that failed the file is opened anew and the lines are written again", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder));
    t.after(() => queue.close());
    await commit(queue, 1);
    const used: number[] = [];
    const restore = replaceFs(t, "fsync", () => (fd: number, done: (error: Error) => void) => {
      used.push(fd);
      done(systemError("EIO"));
    });
    const written: number[] = [];
    replaceFs(t, "writeSync", (real) => (fd: number, bytes: Uint8Array, from: number, size: number, at: number) => {
      written.push(at);
      return real(fd, bytes, from, size, at);
    });
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(commit(queue, 2), { name: "Fault", code: "unavailable", retryable: true });
      assert.deepEqual(queue.forwarded(lane), positionOf(lane, 1, 1).forwarded);
    }
    restore();
    await commit(queue, 2);
    assert.deepEqual(await seqs(folder), [1, 2]);
    assert.equal(written.length, 3, "each attempt wrote the lines again");
    assert.equal(new Set(written).size, 1, "behind the committed length");
    assert.equal(used.length, 2);
  });

  void it("I5: a body that cannot be written leaves nothing of its whole commit", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder));
    t.after(() => queue.close());
    const many = readings(
      lane,
      1,
      Array.from({ length: 20_000 }, () => 1),
    );
    const bad = readings(lane, 20_001, [Number.NaN]);
    await assert.rejects(queue.commit([many, bad], [positionOf(lane, 1, 20_001)]), {
      name: "Fault",
      code: "bad-input",
    });
    assert.equal(statSync(join(folder, openName)).size, 0);
    await commit(queue, 1);
    assert.deepEqual(await seqs(folder), [1]);
  });

  void it("I5: a write that the system cuts short is completed", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder));
    t.after(() => queue.close());
    replaceFs(t, "writeSync", (real) => (fd: number, bytes: Uint8Array, from: number, size: number, at: number) => {
      return real(fd, bytes, from, Math.min(size, 100), at);
    });
    await commit(queue, 1);
    await commit(queue, 2);
    assert.deepEqual(await seqs(folder), [1, 2]);
  });

  void it("a newer format and a file that is no database are refused", async (t) => {
    const folder = await stoppedQueue(t);
    const db = new Database(join(folder, "positions.db"));
    db.pragma("user_version = 2");
    db.close();
    assert.throws(() => openFileQueue(queueOptions(folder)), { name: "Fault", code: "too-new" });
    writeFileSync(join(folder, "positions.db"), "no database at all, but long enough to be looked at. ".repeat(200));
    assert.throws(() => openFileQueue(queueOptions(folder)), damaged);
  });

  void it("a second opening is refused and names the process; a released lock is free", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder));
    assert.throws(() => openFileQueue(queueOptions(folder)), {
      name: "Fault",
      code: "locked",
      message: new RegExp(`${process.pid}`),
    });
    await queue.close();
    await openFileQueue(queueOptions(folder)).close();
  });
});
