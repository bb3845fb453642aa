import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { folderPlace } from "../../gateway/journal/place.ts";
import { notedClusters, rememberedPositions } from "../../gateway/journal/remembered.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import { realEnv } from "../../shared/env.ts";
import { flipInWal } from "../crash/damage.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { readings } from "../fakes/counted-blocks.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "holdfast-remembered-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("I10: who looks into a journal before it is opened leaves a damaged log as it is, for the salvage", async (t) => {
  const [running, killed] = [folder(t), folder(t)];
  const env = realEnv();
  const place = folderPlace(running, env);
  const journal = await openSqliteJournal({ place, env, quotaBytes: 1e9, queue: fakeQueue().open(), log: silent });
  const lane = agentLane();
  for (let batch = 0; batch < 20; batch++) await journal.take("pump-1", lane.batch([readings(lane, 50)]));
  // What a kill leaves behind.
  for (const name of ["journal.db", "journal.db-wal"]) copyFileSync(join(running, name), join(killed, name));
  await journal.close();
  flipInWal(join(killed, "journal.db-wal"), 0.5);
  const bytes = (): Buffer[] => ["journal.db", "journal.db-wal"].map((name) => readFileSync(join(killed, name)));
  const before = bytes();
  assert.equal(notedClusters(killed), undefined);
  assert.equal(rememberedPositions(killed), undefined);
  assert.deepEqual(bytes(), before);
});

test("I10: a file that is no journal keeps nobody from starting", (t) => {
  const state = folder(t);
  writeFileSync(join(state, "journal.db"), Buffer.alloc(20_000, 0xa5));
  assert.equal(notedClusters(state), undefined);
  assert.equal(rememberedPositions(state), undefined);
});
