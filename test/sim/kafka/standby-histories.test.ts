import assert from "node:assert/strict";
import { test } from "node:test";
import { runStandbyHistory } from "./standby-history.ts";

test("I5: random histories of two clusters end with every reading on one of them, once", async () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 3; seed++) {
    const { findings, counts: found } = await runStandbyHistory(seed);
    assert.deepEqual(findings, [], `seed ${seed}`);
    for (const [what, times] of found) counts.set(what, (counts.get(what) ?? 0) + times);
  }
  for (const what of ["era", "fault: kill", "fault: away", "fault: power cut", "on the primary", "on the standby"]) {
    assert.ok((counts.get(what) ?? 0) > 0, `there was no ${what}`);
  }
});
