import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { folderPlace } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import { realEnv } from "../../shared/env.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

const kills = 6;

/** Lets a writer answer `answers` times, kills it, and returns the journal id and the last seq it reported. */
async function killedWriter(folder: string, run: number, answers: number): Promise<{ id: string; upto: number }> {
  const script = new URL("journal-writer.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [script, folder, String(run)], { stdio: ["ignore", "pipe", "inherit"] });
  let id = "";
  let upto = 0;
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, value] = line.split(" ") as [string, string];
    if (word === "id") id = value;
    else upto = Number(value);
    if (++seen === answers) child.kill("SIGKILL");
  }
  return { id, upto };
}

test("I3: SIGKILL at any time: what was reported as journaled is there, once, under the same journal id", async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-journal-"));
  const env = realEnv();
  try {
    const ids = new Set<string>();
    for (let run = 1; run <= kills; run++) {
      const { id, upto } = await killedWriter(folder, run, 5 + 17 * run);
      ids.add(id);
      const place = folderPlace(folder, env);
      const queue = fakeQueue().open();
      const journal = await openSqliteJournal({ place, env, quotaBytes: 1e9, queue, log: silent });
      ids.add(journal.journalId());
      const { state } = await journal.ask("pump-1", agentLane({ run }).ask());
      assert.equal(state?.journaled.length, 1);
      assert.ok(upto > 0 && (state?.journaled[0]?.last ?? 0) >= upto, `seq ${upto} was reported and is gone`);
      const seqs = journal
        .read(1e9, 1e9)
        .filter((entry) => entry.run === run)
        .flatMap(({ block }) => Array.from({ length: block.count }, (_, at) => block.first + at));
      assert.deepEqual(
        seqs,
        Array.from({ length: state?.journaled[0]?.last ?? 0 }, (_, at) => at + 1),
      );
      await journal.close();
    }
    assert.equal(ids.size, 1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
