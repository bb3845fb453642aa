import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { folderPlace } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import { realEnv } from "../../shared/env.ts";
import { sizeOf } from "../../shared/ranges.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

const env = realEnv();
const blocks = 60;
/** All steps of a salvage, in order. */
const points = [
  "journal set aside",
  "journal salvaged",
  "journal id before commit",
  "journal id committed",
  "journal id drafted",
];

const openIn = (folder: string) => {
  const queue = fakeQueue().open();
  return openSqliteJournal({ place: folderPlace(folder, env), env, quotaBytes: 1e9, queue, log: silent });
};

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-salvage-kill-"));
  // Laying the ballast of a real journal would be most of the time of this test.
  writeFileSync(join(folder, "ballast"), "");
  return folder;
}

/** A journal that took `blocks` blocks one by one and stopped uncleanly, with one flipped bit in its log. */
async function damagedJournal(folder: string): Promise<{ lane: ReturnType<typeof agentLane>; journalId: string }> {
  const origin = tempFolder();
  const journal = await openIn(origin);
  const lane = agentLane();
  for (let at = 0; at < blocks; at++) await journal.take("pump-1", lane.batch([lane.block(2, Buffer.alloc(500, at))]));
  for (const name of ["journal.db", "journal.db-wal", "journal.id"])
    copyFileSync(join(origin, name), join(folder, name));
  const journalId = journal.journalId();
  await journal.close();
  rmSync(origin, { recursive: true, force: true });
  const wal = readFileSync(join(folder, "journal.db-wal"));
  wal[wal.length >> 2] = (wal[wal.length >> 2] as number) ^ 4;
  writeFileSync(join(folder, "journal.db-wal"), wal);
  return { lane, journalId };
}

for (const point of points) {
  test(`I10: SIGKILL at "${point}" while a damaged journal is salvaged: the next open has all that could be read`, async () => {
    const folder = tempFolder();
    try {
      const { lane, journalId } = await damagedJournal(folder);
      const script = new URL("journal-opener.ts", import.meta.url).pathname;
      const environment = { ...process.env, HOLDFAST_CRASH_AT: point };
      const { signal } = spawnSync(process.execPath, [script, folder], { env: environment, stdio: "inherit" });
      assert.equal(signal, "SIGKILL");
      const journal = await openIn(folder);
      assert.notEqual(journal.journalId(), journalId, "agents must ask again");
      const { state } = await journal.ask("pump-1", lane.ask());
      const held = journal.read(1e9, 1e9).reduce((sum, { block }) => sum + block.count, 0);
      assert.equal(sizeOf(state?.journaled ?? []), held);
      assert.ok(held >= 2 * (blocks - 2), `${held} of ${2 * blocks} readings were taken over`);
      assert.equal(existsSync(join(folder, "journal.db.salvaging")), false);
      await journal.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
