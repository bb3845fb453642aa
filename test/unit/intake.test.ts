import assert from "node:assert/strict";
import { test } from "node:test";
import type { Request } from "../../agent/inputs/input.ts";
import { commitReadings, startIntake } from "../../agent/intake.ts";
import type { Store } from "../../agent/store/store.ts";
import { Fault } from "../../shared/errors.ts";
import { keptStore, rowsOf, theLane, wallUs } from "../fakes/agent-store.ts";
import { createManualEnv } from "../fakes/manual-env.ts";

const request = (numbers: readonly number[], stream = "telemetry"): Request => ({
  portions: [{ stream, readings: numbers.map((value) => ({ name: "n", timeUs: wallUs + value, value })) }],
});

function intakeOn(change: Partial<Store> = {}) {
  const { store, env } = keptStore();
  const appends: number[] = [];
  const watched: Store = {
    ...store,
    append(parts, moves) {
      store.append(parts, moves);
      appends.push(parts.reduce((sum, part) => sum + part.columns.count, 0));
    },
    ...change,
  };
  const failures: unknown[] = [];
  const soon = (action: () => void) => env.after(0, action);
  const options = { streams: ["telemetry", "alarm"], commitIntervalMs: 20, onFailed: (e: unknown) => failures.push(e) };
  return { intake: startIntake(watched, { ...env, soon }, options), env, store, appends, failures };
}

void test("I1: a request resolves only after its commit; in a busy time small ones share it, in order", async () => {
  const { intake, env, store, appends } = intakeOn();
  const first = intake.append(request([0]));
  env.advance(0);
  await first;
  const told: number[] = [];
  const all = [1, 2, 3].map((n) => intake.append(request([n])).then(() => told.push(n)));
  env.advance(19);
  await new Promise(setImmediate);
  assert.deepEqual([told, appends], [[], [1]]);
  env.advance(1);
  await Promise.all(all);
  assert.deepEqual(
    [told, appends],
    [
      [1, 2, 3],
      [1, 3],
    ],
  );
  assert.deepEqual(rowsOf(store, theLane(store))[1]?.values, [1, 2, 3]);
  assert.equal(intake.accepted(), 4);
});

void test("a request after a quiet time does not wait", async () => {
  const { intake, env, appends } = intakeOn();
  for (const n of [1, 2, 3]) {
    const done = intake.append(request([n]));
    env.advance(0);
    await done;
    env.advance(20);
  }
  assert.deepEqual(appends, [1, 1, 1]);
});

void test("many readings go at once", async () => {
  const { intake, env, appends } = intakeOn();
  const done = intake.append(request(Array.from({ length: commitReadings }, (_, i) => i)));
  env.advance(0);
  await done;
  assert.deepEqual(appends, [commitReadings]);
});

void test("I1: one request without room fails alone, and a request of several streams is stored whole or not at all", async () => {
  const kept = keptStore();
  const { intake, env } = intakeOn({
    append(parts, moves) {
      if (parts.some((part) => part.columns.timesUs.includes(wallUs + 7))) {
        throw new Fault("full", { what: "no room", retryable: true });
      }
      kept.store.append(parts, moves);
    },
  });
  const both: Request = { portions: [...request([7]).portions, ...request([8], "alarm").portions] };
  const told = await Promise.allSettled([
    intake.append(request([1])),
    intake.append(both),
    intake.append({ portions: [], cursors: [{ key: "c", value: "9" }] }),
    Promise.resolve().then(() => env.advance(20)),
  ]);
  assert.deepEqual(
    told.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled"],
  );
  assert.deepEqual(
    kept.store.lanes().map(({ name, last }) => [name, last]),
    [["telemetry", 1]],
  );
  assert.equal(kept.store.cursor("c"), "9");
});

void test("a bad reading or an unknown stream is refused before anything waits for it", async () => {
  const { intake, appends } = intakeOn();
  await assert.rejects(intake.append(request([1], "nowhere")), { code: "bad-input" });
  await assert.rejects(intake.append(request([Number.NaN])), { code: "bad-input" });
  intake.stop();
  assert.deepEqual(appends, []);
});

void test("I10: a store that fails is told to its owner, and every waiting request gets a retryable answer", async () => {
  const { intake, env, failures } = intakeOn({
    append() {
      throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_FSYNC" });
    },
  });
  const told = [intake.append(request([1])), intake.append(request([2]))].map((one) =>
    assert.rejects(one, { code: "unavailable", retryable: true }),
  );
  env.advance(20);
  await Promise.all(told);
  assert.equal(failures.length, 1);
});

void test("I8: more than may wait is refused as busy, not kept", async () => {
  const { intake } = intakeOn();
  const many = request(new Array<number>(399_999).fill(1));
  const first = intake.append(many);
  const refused = assert.rejects(intake.append(request([1, 2])), { code: "busy", retryable: true });
  intake.stop();
  await Promise.all([first, refused]);
});

void test("a stop commits what waits and refuses what comes later", async () => {
  const { intake, appends } = intakeOn();
  const waiting = intake.append(request([1]));
  intake.stop();
  await waiting;
  assert.deepEqual(appends, [1]);
  await assert.rejects(intake.append(request([2])), { code: "closed", retryable: true });
});

void test("an environment without timers left over: a stop leaves none", () => {
  const env = createManualEnv(wallUs);
  const intake = startIntake(keptStore().store, env, { streams: [], commitIntervalMs: 5, onFailed: () => {} });
  intake.stop();
  assert.equal(env.pending, 0);
});
