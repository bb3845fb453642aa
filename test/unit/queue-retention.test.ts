import assert from "node:assert/strict";
import { readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { openFileQueue } from "../../gateway/queue/file.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { outlived } from "../../gateway/queue/retention.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { handEnv, queueOptions, readLines, tempFolder, until } from "../fakes/queue-folder.ts";

const lane = laneOf("pump-17");
const commit = (queue: Queue, seq: number) => queue.commit([readings(lane, seq, [seq])], [positionOf(lane, 1, seq)]);
const seqs = async (folder: string) => (await readLines(folder)).map((line) => line.seq);
const closedNames = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".ndjson"));

void describe("roll-over and retention of the file queue", () => {
  void it("only closed segments go, the oldest first, and no more than needed", () => {
    const rows = fc.array(fc.record({ bytes: fc.nat(100), age: fc.nat(100) }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(rows, fc.nat(300), fc.nat(100), (made, retainBytes, retainAgeMs) => {
        const ages = made.map(({ age }) => age).sort((a, b) => b - a);
        const all = made.map(({ bytes }, i) => ({
          segment: i + 1,
          bytes,
          openedMs: 0,
          closedMs: i === made.length - 1 ? null : 1000 - (ages[i] as number),
        }));
        const gone = outlived(all, { retainBytes, retainAgeMs }, 1000);
        assert.deepEqual(
          gone,
          all.slice(0, gone.length).map(({ segment }) => segment),
        );
        assert.ok(gone.length < all.length);
        const kept = all.slice(gone.length);
        const size = (some: typeof all) => some.reduce((sum, { bytes }) => sum + bytes, 0);
        const due = (some: typeof all) =>
          size(some) > retainBytes || 1000 - ((some[0] as (typeof all)[number]).closedMs ?? 1000) > retainAgeMs;
        if (kept.length > 1) assert.ok(!due(kept), "what is kept may stay");
        if (gone.length > 0) assert.ok(due(all.slice(gone.length - 1)), "the last one deleted had to go");
      }),
    );
  });

  void it("I2: retention by bytes deletes the oldest segments and never a position", async (t) => {
    const folder = tempFolder(t);
    const options = queueOptions(folder, { segmentBytesMax: 1, retainBytes: 1000 });
    const queue = openFileQueue(options);
    t.after(() => queue.close());
    for (let seq = 1; seq <= 10; seq++) await commit(queue, seq);
    assert.deepEqual(await seqs(folder), [7, 8, 9, 10]);
    assert.equal(closedNames(folder).length, 4);
    assert.ok(closedNames(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) <= 1000);
    assert.deepEqual(queue.forwarded(lane), positionOf(lane, 1, 10).forwarded);
    await queue.close();
    const again = openFileQueue(options);
    assert.deepEqual(again.forwarded(lane), positionOf(lane, 1, 10).forwarded);
    await again.close();
  });

  void it("I7: segments close and go by the running time of the queue, restarts included", async (t) => {
    const folder = tempFolder(t);
    const options = { segmentAgeMaxMs: 1000, retainAgeMs: 5000 };
    const env = handEnv();
    const queue = openFileQueue(queueOptions(folder, { ...options, env }));
    await commit(queue, 1);
    env.advance(900);
    await queue.commit([], []);
    assert.deepEqual(closedNames(folder), []);
    await queue.close();

    const later = { ...handEnv(), wallUs: () => 9e15 };
    const again = openFileQueue(queueOptions(folder, { ...options, env: later }));
    t.after(() => again.close());
    later.advance(600);
    await again.commit([], []);
    assert.deepEqual(closedNames(folder), ["000000000001.ndjson"], "900 and 600 ms make a second");
    later.advance(4000);
    await again.commit([], []);
    assert.deepEqual(await seqs(folder), [1], "neither an empty segment is closed nor a young one deleted");
    later.advance(2000);
    await until("retention by age", () => closedNames(folder).length === 0);
    assert.deepEqual(await seqs(folder), []);
    assert.deepEqual(again.forwarded(lane), positionOf(lane, 1, 1).forwarded);
  });

  void it("a segment that somebody deleted by hand does not stop the queue", async (t) => {
    const folder = tempFolder(t);
    const options = queueOptions(folder, { segmentBytesMax: 1 });
    const queue = openFileQueue(options);
    for (const seq of [1, 2, 3]) await commit(queue, seq);
    unlinkSync(join(folder, "000000000002.ndjson"));
    assert.deepEqual(await seqs(folder), [1, 3]);
    await queue.close();
    const again = openFileQueue(options);
    await commit(again, 4);
    await again.close();
    assert.deepEqual(await seqs(folder), [1, 3, 4]);
  });
});
