import assert from "node:assert/strict";
import { test } from "node:test";
import { openSeldom } from "../../gateway/ingress/seldom.ts";
import { realEnv } from "../../shared/env.ts";

test("I8: what repeats is told once a minute per kind and agent", () => {
  let nowMs = 0;
  const mayTell = openSeldom({ ...realEnv(), monoMs: () => nowMs });
  assert.ok(mayTell("conflict", "pump-1"));
  assert.ok(!mayTell("conflict", "pump-1"));
  assert.ok(mayTell("conflict", "pump-2") && mayTell("malformed", "pump-1"));
  nowMs = 59_999;
  assert.ok(!mayTell("conflict", "pump-1"));
  nowMs = 60_000;
  assert.ok(mayTell("conflict", "pump-1"));
});
