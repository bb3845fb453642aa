import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type KeepAlive, keepAlive } from "../../agent/uplink/keep-alive.ts";
import { realEnv } from "../../shared/env.ts";

/** A watched link on a clock that the test moves, in steps of 10 ms. */
function watched(intervalMs: number) {
  let nowMs = 0;
  const calls: { atMs: number; action: () => void }[] = [];
  const told: string[] = [];
  const at = (delayMs: number, action: () => void) => {
    const call = { atMs: nowMs + delayMs, action };
    calls.push(call);
    return { cancel: () => void calls.splice(calls.indexOf(call), calls.includes(call) ? 1 : 0) };
  };
  const env = { ...realEnv(), monoMs: () => nowMs, after: at, soon: (action: () => void) => at(0, action) };
  const life: KeepAlive = keepAlive(
    env,
    intervalMs,
    () => told.push(`probe ${nowMs}`),
    () => told.push(`dead ${nowMs}`),
  );
  return {
    life,
    told,
    /** Moves the clock; `each` runs at every step before what is due. */
    pass: (ms: number, each: () => void = () => undefined, stepMs = 10): void => {
      const untilMs = nowMs + ms;
      while (nowMs < untilMs) {
        nowMs += stepMs;
        each();
        for (const call of calls.filter(({ atMs }) => atMs <= nowMs)) {
          calls.splice(calls.indexOf(call), 1);
          call.action();
        }
      }
    },
  };
}

describe("keepAlive (I7)", () => {
  it("probes a silent link once and calls it dead when nothing answers", () => {
    const { pass, told } = watched(1_000);
    pass(5_000);
    assert.deepEqual(told, ["probe 1000", "dead 1510"]);
  });

  it("goes on probing while the other side answers", () => {
    const { life, pass, told } = watched(1_000);
    let answered = 0;
    pass(4_500, () => {
      if (told.length === answered) return;
      answered = told.length;
      life.alive();
    });
    assert.ok(told.length >= 3 && told.every((each) => each.startsWith("probe")), told.join());
  });

  it("does not probe a link on which both sides speak", () => {
    const { life, pass, told } = watched(1_000);
    pass(5_000, () => {
      life.alive();
      life.sent();
    });
    assert.deepEqual(told, []);
  });

  it("takes a slow upload that progresses as alive, however long its probe waits", () => {
    const { life, pass, told } = watched(1_000);
    // The socket takes some bytes every 1.2 s; nothing is received at all.
    for (let turn = 0; turn < 10; turn++) {
      pass(1_200);
      life.alive();
    }
    assert.ok(!told.some((each) => each.startsWith("dead")), told.join());
  });

  it("reads what waits in the socket before it calls the link dead after a stalled disk", () => {
    const { life, pass, told } = watched(1_000);
    // One step of 3 s: the process stood still. The answer is read between the first look and the second.
    let looks = 0;
    pass(3_000, () => undefined, 3_000);
    pass(10, () => looks++ === 0 && life.alive());
    pass(500);
    assert.deepEqual(told, ["probe 3010"]);
  });

  it("says nothing after stop", () => {
    const { life, pass, told } = watched(1_000);
    life.stop();
    pass(5_000);
    assert.deepEqual(told, []);
  });
});
