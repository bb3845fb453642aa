import assert from "node:assert/strict";
import { test } from "node:test";
import { runHistory } from "./history.ts";

test("I4, I5: random histories of the Kafka queue end without a hole, a double or anything stuck", async () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 8; seed++) {
    const { findings, counts: found } = await runHistory(seed);
    assert.deepEqual(findings, [], `seed ${seed}`);
    for (const [what, times] of found) counts.set(what, (counts.get(what) ?? 0) + times);
  }
  for (const fault of ["kill", "zombie", "power cut", "away", "leaders moved", "journal lost"]) {
    assert.ok((counts.get(`fault: ${fault}`) ?? 0) > 0, `no ${fault} struck`);
  }
  assert.ok(
    (counts.get("replay: done") ?? 0) > 0 && (counts.get("replay: usage") ?? 0) > 0,
    "nobody replayed anything",
  );
});

test("a history replays exactly", async () => {
  const [one, two] = [await runHistory(3), await runHistory(3)];
  assert.deepEqual([one.events, one.fingerprint], [two.events, two.fingerprint]);
});
