import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { patched, projectRoot } from "../../mutants/patch.ts";
import { runJournalHistory } from "./history.ts";
import { journalRules } from "./rules.ts";

test("I3, I4, I5: gateways race and forwarders overlap, answers are lost and writes land late: each seq is queued once, and old epochs are folded", async () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= 150; seed++) {
    const found = await runJournalHistory(seed).catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
    for (const [kind, times] of found) seen.set(kind, (seen.get(kind) ?? 0) + times);
  }
  for (const kind of ["answer lost", "in flight", "landed late", "outdated answer"]) {
    assert.ok((seen.get(kind) ?? 0) > 100, `${kind}: ${seen.get(kind)}`);
  }
});

test("each rule of the replicated journal still fits the code that it switches off", () => {
  for (const [rule, patches] of Object.entries(journalRules)) {
    for (const { file } of patches) {
      const text = readFileSync(join(projectRoot, file), "utf8");
      assert.notEqual(patched(file, text, patches), text, rule);
    }
  }
});
