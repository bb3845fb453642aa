import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Range } from "../../shared/ranges.ts";
import { assertPassed, testFolder } from "../fakes/real-line.ts";
import { auditStore } from "./store-lines.ts";
import { straceMissing, withEioAt } from "./strace.ts";

const writer = fileURLToPath(new URL("store-writer.ts", import.meta.url));

/**
 * The frames of a commit whose sync failed lie whole in the log. A smaller commit behind it overwrote only the front of
 * them: a start then took the rest for damage, read them as the newest, and lost what had been acknowledged in between.
 */
test("I1, I10: whichever sync fails, a store that is tried again keeps all that it acknowledged", async (t) => {
  const missing = straceMissing();
  if (missing !== undefined) return t.skip(missing);
  let refusals = 0;
  for (let sync = 10; sync < 30; sync++) {
    const folder = join(testFolder(t, "store"), "state");
    mkdirSync(folder);
    const [strace = "", ...args] = [...withEioAt(`${sync}`), process.execPath, writer, folder];
    const child = spawn(strace, args, { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    let acknowledged = 0;
    let refused: Pick<Range, "first" | "last"> | undefined;
    for await (const line of createInterface({ input: child.stdout })) {
      const [, first, last] = line.split(" ");
      if (first === undefined) acknowledged = Number(line);
      else refused = { first: Number(first), last: Number(last) };
    }
    if (refused !== undefined) refusals++;
    const { result, recovery } = auditStore(folder, acknowledged, refused);
    assertPassed(result);
    assert.deepEqual([recovery, result.lostSeqs], [null, 0], `sync ${sync}`);
  }
  assert.ok(refusals >= 15, `${refusals} of 20 syncs were those of a commit`);
});
