import assert from "node:assert/strict";
import { test } from "node:test";
import { openSegments, qualityFrom, stepOf } from "../../agent/store/segments.ts";
import { keptStore, wallUs } from "../fakes/agent-store.ts";
import { createManualEnv } from "../fakes/manual-env.ts";

const hourMs = 3_600_000;

function segments(startUs = wallUs) {
  const env = createManualEnv(startUs);
  const { db } = keptStore();
  return { env, segments: openSegments(db, env), db };
}

void test("I7: drift is no step, a jump of the wall clock is, and another boot cannot be compared", () => {
  const at = (monoMs: number, wall: number, boot = "a") => ({ boot, monoMs, wallUs: wall });
  assert.equal(stepOf(at(0, 0), at(1000, 1_000_000)), 0);
  assert.equal(stepOf(at(0, 0), at(hourMs, hourMs * 1000 + 1_700_000)), 0, "500 ppm of an hour are 1.8 s");
  assert.equal(stepOf(at(0, 0), at(1000, 61_000_000)), 60_000_000);
  assert.equal(stepOf(at(0, 0), at(1000, 61_000_000, "b")), null);
});

void test("the gateway's time makes a clock synced or corrected; the older it is, the more drift it forgives", () => {
  assert.deepEqual(qualityFrom(1_500_000, 0, 0), { offsetUs: 0, quality: "synced" });
  assert.deepEqual(qualityFrom(3_000_000, 0, 0), { offsetUs: 3_000_000, quality: "corrected" });
  assert.deepEqual(qualityFrom(3_000_000, 0, hourMs), { offsetUs: 0, quality: "synced" });
});

void test("a device that greets before its first reading knows the time of its first segment", () => {
  const { env, segments: own } = segments(1_000_000);
  own.learn(wallUs);
  env.advance(60_000);
  const id = own.current();
  assert.deepEqual(own.clock(id), { segment: id, offsetUs: wallUs - 1_000_000, quality: "corrected" });
});

void test("a step of the clock begins a segment, whose offset is known while the gateway's time is", () => {
  const { env, segments: own } = segments(1_000_000);
  const before = own.current();
  assert.equal(own.clock(before).quality, "unsynced");
  env.step(wallUs / 1000);
  const after = own.current();
  assert.notEqual(after, before);
  own.learn(env.wallUs());
  assert.deepEqual(own.clock(after), { segment: after, offsetUs: 0, quality: "synced" });
  assert.deepEqual(own.clock(before), { segment: before, offsetUs: wallUs, quality: "corrected" });
  env.advance(hourMs);
  env.step(-5 * 60_000);
  const third = own.current();
  assert.deepEqual(own.clock(third), { segment: third, offsetUs: 300_000_000, quality: "corrected" });
});

void test("a slow drift over months stays one segment, and a small step after it is still seen", () => {
  const { env, segments: own } = segments();
  const id = own.current();
  for (let day = 0; day < 60; day++) {
    env.advance(24 * hourMs);
    env.step(10_000);
    assert.equal(own.current(), id);
  }
  env.advance(1_000);
  env.step(60_000);
  assert.notEqual(own.current(), id);
});

void test("a rolled-back transaction takes the segment with it", () => {
  const { env, segments: own, db } = segments();
  db.exec("BEGIN");
  own.current();
  db.exec("ROLLBACK");
  own.reset();
  env.advance(1_000);
  const id = own.current();
  assert.equal(db.prepare("SELECT count(*) FROM segment").pluck().get(), 1);
  assert.equal(own.clock(id).segment, id);
});
