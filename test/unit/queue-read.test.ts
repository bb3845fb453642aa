import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { openFileQueue } from "../../gateway/queue/file.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { type QueueCursor, readQueue } from "../../gateway/queue/read.ts";
import { replaceFs } from "../fakes/fs-faults.ts";
import { laneOf, readings } from "../fakes/outcomes.ts";
import { parseLines, queueOptions, readLines, tempFolder, until } from "../fakes/queue-folder.ts";

const lane = laneOf("pump-17");
const commit = (queue: Queue, seq: number) => queue.commit([readings(lane, seq, [seq])], []);
const closedCount = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".ndjson")).length;

/** A reader that follows, with what it has read so far. */
function follow(folder: string, from?: QueueCursor) {
  const stop = new AbortController();
  const read = { seqs: [] as unknown[], skipped: 0, next: from, stop: () => stop.abort(), done: Promise.resolve() };
  read.done = (async () => {
    const options = { folder, follow: true, signal: stop.signal };
    for await (const chunk of readQueue(from === undefined ? options : { ...options, from })) {
      read.seqs.push(...parseLines(chunk.lines).map((line) => line.seq));
      read.skipped += chunk.skippedSegments;
      read.next = chunk.next;
    }
  })();
  return read;
}

void describe("reading the file queue", () => {
  void it("a reader that follows sees every line once, across roll-overs and a restart of the gateway", async (t) => {
    const folder = tempFolder(t);
    const options = queueOptions(folder, { segmentBytesMax: 2000 });
    let queue = openFileQueue(options);
    t.after(() => queue.close());
    const reader = follow(folder);
    t.after(reader.stop);
    const expected: number[] = [];
    for (let seq = 1; seq <= 60; seq++) {
      await commit(queue, seq);
      expected.push(seq);
      if (seq % 20 !== 0) continue;
      await until(`line ${seq}`, () => reader.seqs.length >= seq);
      await queue.close();
      queue = openFileQueue(options);
    }
    assert.ok(closedCount(folder) >= 5);
    reader.stop();
    await reader.done;
    assert.deepEqual(reader.seqs, expected);
    assert.equal(reader.skipped, 0);
  });

  void it("I5: lines are not seen before their commit is done", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder));
    t.after(() => queue.close());
    await commit(queue, 1);
    let release: (() => void) | undefined;
    const restore = replaceFs(t, "fsync", (real) => (fd: number, done: (error: Error | null) => void) => {
      release = () => real(fd, done);
    });
    const pending = commit(queue, 2);
    await until("the sync", () => release !== undefined);
    assert.deepEqual(
      (await readLines(folder)).map((line) => line.seq),
      [1],
    );
    restore();
    release?.();
    await pending;
    assert.deepEqual(
      (await readLines(folder)).map((line) => line.seq),
      [1, 2],
    );
  });

  void it("a cursor goes on behind the last line, wherever it stands", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder, { segmentBytesMax: 1000 }));
    t.after(() => queue.close());
    let next: QueueCursor = { segment: 1, offsetBytes: 0 };
    const all: unknown[] = [];
    for (let seq = 1; seq <= 30; seq++) {
      await commit(queue, seq);
      if (seq % 7 === 0) continue;
      for await (const chunk of readQueue({ folder, follow: false, from: next })) {
        all.push(...parseLines(chunk.lines).map((line) => line.seq));
        next = chunk.next;
      }
    }
    assert.deepEqual(
      all,
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    for (const from of [
      { segment: next.segment + 2, offsetBytes: 0 },
      { segment: next.segment, offsetBytes: 1e9 },
    ]) {
      await assert.rejects(readQueue({ folder, follow: false, from }).next(), { name: "Fault", code: "usage" });
    }
  });

  void it("a reader that retention overtakes is told how many segments it has missed", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder, { segmentBytesMax: 1, retainBytes: 1000 }));
    t.after(() => queue.close());
    for (let seq = 1; seq <= 10; seq++) await commit(queue, seq);
    const late = follow(folder, { segment: 2, offsetBytes: 0 });
    t.after(late.stop);
    await until("the end", () => late.seqs.at(-1) === 10);
    const first = late.seqs[0] as number;
    assert.ok(first > 2);
    assert.equal(late.skipped, first - 2, "each segment holds one line");
    late.stop();
    await late.done;
  });

  void it("a segment that is deleted while it is read is read to its end", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder, { segmentBytesMax: 1, retainBytes: 3_000_000 }));
    t.after(() => queue.close());
    const many = (first: number) =>
      readings(
        lane,
        first,
        Array.from({ length: 5000 }, (_, i) => i),
      );
    await queue.commit([many(1)], []);
    const reader = readQueue({ folder, follow: false });
    const chunk = await reader.next();
    const seqs = parseLines(chunk.value?.lines ?? Buffer.alloc(0)).map((line) => line.seq);
    for (let block = 1; block <= 4; block++) await queue.commit([many(block * 5000 + 1)], []);
    assert.ok(!readdirSync(folder).includes("000000000001.ndjson"));
    let skipped = 0;
    for await (const { lines, skippedSegments } of reader) {
      seqs.push(...parseLines(lines).map((line) => line.seq));
      skipped += skippedSegments;
    }
    assert.deepEqual(
      seqs.slice(0, 5000),
      Array.from({ length: 5000 }, (_, i) => i + 1),
    );
    assert.equal(seqs.length, 25_000 - skipped * 5000);
    assert.ok(skipped > 0);
  });

  void it("a line of the largest size is read whole", async (t) => {
    const folder = tempFolder(t);
    const queue = openFileQueue(queueOptions(folder));
    t.after(() => queue.close());
    const text = "\u0001".repeat(60_000);
    await queue.commit([readings(lane, 1, [text, 2, text])], []);
    assert.ok((await readLines(folder)).every((line, i) => line.value === (i === 1 ? 2 : text)));
  });

  void it("a folder without a queue gets a clear answer", async (t) => {
    await assert.rejects(readQueue({ folder: tempFolder(t), follow: false }).next(), { name: "Fault", code: "usage" });
  });
});
