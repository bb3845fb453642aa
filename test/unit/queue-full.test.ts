import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openFileQueue } from "../../gateway/queue/file.ts";
import { replaceFs } from "../fakes/fs-faults.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { queueOptions, readLines, tempFolder } from "../fakes/queue-folder.ts";

const lane = laneOf("pump-17");
const full = { name: "Fault", code: "full", retryable: true };
const kib = 1024;

/** A file system of 2 MiB in memory, or why there is none. */
function tinyDisk(t: TestContext): string | { skip: string } {
  // Hooks run in the order of their registration: the disk is unmounted before its folder is removed.
  let folder = "";
  t.after(() => spawnSync("umount", ["-l", folder]));
  folder = tempFolder(t);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], { encoding: "utf8" });
  if (mounted.status !== 0) return { skip: `a tmpfs cannot be mounted here: ${mounted.stderr ?? mounted.error}` };
  return folder;
}

const text = (sizeBytes: number) => "x".repeat(sizeBytes);

void describe("the file queue on a full disk", () => {
  void it("I5, I8: lines that do not fit leave nothing, and a reserve stays free", async (t) => {
    const disk = tinyDisk(t);
    if (typeof disk !== "string") return t.skip(disk.skip);
    const queue = openFileQueue(queueOptions(disk));
    t.after(() => queue.close());
    const commit = (seq: number, sizeBytes: number) =>
      queue.commit([readings(lane, seq, [text(sizeBytes)])], [positionOf(lane, 1, seq)]);

    const huge = Array.from({ length: 100 }, () => text(40 * kib));
    await assert.rejects(queue.commit([readings(lane, 1, huge)], [positionOf(lane, 1, 100)]), full);
    assert.equal(statSync(join(disk, "000000000001.ndjson.open")).size, 0, "the half that was written is gone");
    assert.deepEqual(queue.forwarded(lane), []);

    let seq = 0;
    const fill = async () => {
      for (;;) await commit(seq + 1, 20 * kib).then(() => seq++);
    };
    await assert.rejects(fill(), full);
    assert.ok(seq > 20, `${seq} commits fit`);
    const { bavail, blocks } = statfsSync(disk);
    assert.ok(bavail > 0 && bavail < blocks / 4, "a reserve stays free");
    assert.deepEqual(queue.forwarded(lane), positionOf(lane, 1, seq).forwarded);
    assert.equal((await readLines(disk)).length, seq);
  });

  void it("I5: positions that do not fit leave nothing, and are taken once there is room", async (t) => {
    const disk = tinyDisk(t);
    if (typeof disk !== "string") return t.skip(disk.skip);
    await openFileQueue(queueOptions(disk)).close();
    const queue = openFileQueue(queueOptions(disk));
    t.after(() => queue.close());
    await queue.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
    const ballast = join(disk, "ballast");
    assert.throws(() => writeFileSync(ballast, Buffer.alloc(4 * kib * kib)), { code: "ENOSPC" });

    // The reserve is switched off, so that the positions meet the full disk themselves.
    replaceFs(t, "statfsSync", () => () => ({ bavail: 1, blocks: 1, bsize: 1 }));
    const epochs = Array.from({ length: 3000 }, (_, i) => laneOf("pump-18", i.toString(16).padStart(16, "0")));
    const positions = epochs.map((epoch) => positionOf(epoch, 1, 1));
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(queue.commit([], positions), full);
      assert.equal([...queue.positions()].length, 1);
    }
    assert.deepEqual(
      (await readLines(disk)).map((line) => line.seq),
      [1],
    );
    rmSync(ballast);
    await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2), ...positions]);
    assert.equal([...queue.positions()].length, 3001);
    assert.deepEqual(
      (await readLines(disk)).map((line) => line.seq),
      [1, 2],
    );
    assert.ok(readdirSync(disk).includes("positions.db"));
  });
});
