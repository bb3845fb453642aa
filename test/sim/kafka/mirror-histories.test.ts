import assert from "node:assert/strict";
import { test } from "node:test";
import { runMirrorHistory } from "./mirror-history.ts";

test("I4, I5: random histories of a queue with a mirrored standby end without a hole or a double, there and here", async () => {
  const counts = new Map<string, number>();
  for (const seed of [3, 6, 8, 9, 10, 12, 14, 19, 20, 23]) {
    const { findings, counts: found } = await runMirrorHistory(seed);
    assert.deepEqual(findings, [], `seed ${seed}`);
    for (const [what, times] of found) counts.set(what, (counts.get(what) ?? 0) + times);
  }
  for (const seen of [
    "resumed",
    "whole on A",
    "whole on B",
    "parted on B",
    "fault: power cut",
    "fault: journal lost",
  ]) {
    assert.ok((counts.get(seen) ?? 0) > 0, `never ${seen}`);
  }
});
