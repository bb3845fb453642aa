import assert from "node:assert/strict";
import { test } from "node:test";
import { type Situation, type StandbyRules, sideFor } from "../../gateway/queue/standby/policy.ts";

const rules: StandbyRules = { isAutomatic: true, switchAfterMs: 600, backAfterMs: 900, inDoubt: "hold" };
const calm: Situation = {
  nowMs: 10_000,
  active: "primary",
  abandoned: null,
  troubleSinceMs: null,
  otherSinceMs: 0,
  heldSeqs: 0,
};

for (const [title, given, expected] of [
  ["nothing happens while the primary takes what waits", {}, "primary"],
  ["a short trouble is no reason", { troubleSinceMs: 9_401 }, "primary"],
  ["a long one is", { troubleSinceMs: 9_400 }, "standby"],
  ["but not where the other one does not answer either", { troubleSinceMs: 0, otherSinceMs: null }, "primary"],
  ["nor where the other one was given up", { troubleSinceMs: 0, abandoned: "standby" }, "primary"],
  ["the primary takes over again once it has answered for long", { active: "standby", otherSinceMs: 9_100 }, "primary"],
  ["not before", { active: "standby", otherSinceMs: 9_101 }, "standby"],
  ["nor while anything is in doubt there", { active: "standby", heldSeqs: 1 }, "standby"],
  ["nor where it was given up", { active: "standby", abandoned: "primary", troubleSinceMs: 0 }, "standby"],
  ["a standby in trouble gives way even so", { active: "standby", heldSeqs: 1, troubleSinceMs: 0 }, "primary"],
] as const) {
  test(`which cluster takes the readings: ${title}`, () => {
    assert.equal(sideFor(rules, { ...calm, ...given }), expected);
  });
}

test("which cluster takes the readings: without automatic only a person changes that", () => {
  assert.equal(sideFor({ ...rules, isAutomatic: false }, { ...calm, troubleSinceMs: 0 }), "primary");
});
