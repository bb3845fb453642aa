/** An environment whose clocks and timers move only when a test says so. */
import { type Env, realEnv } from "../../shared/env.ts";

export interface ManualEnv extends Env {
  /** Moves both clocks on, and fires what becomes due, in order. */
  advance(ms: number): void;
  /** Steps the wall clock alone. */
  step(ms: number): void;
  /** Timers that wait. */
  readonly pending: number;
}

/** An environment that starts at a wall clock, µs since 1970. */
export function createManualEnv(wallUs: number): ManualEnv {
  const timers = new Set<{ dueMs: number; action: () => void }>();
  let monoMs = 0;
  let wall = wallUs;
  return {
    ...realEnv(),
    wallUs: () => wall,
    monoMs: () => monoMs,
    random: () => 0.5,
    after(delayMs, action) {
      const timer = { dueMs: monoMs + delayMs, action };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      const endMs = monoMs + ms;
      for (;;) {
        const [next] = [...timers].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs);
        const toMs = next === undefined ? endMs : Math.max(next.dueMs, monoMs);
        wall += (toMs - monoMs) * 1_000;
        monoMs = toMs;
        if (next === undefined) return;
        timers.delete(next);
        next.action();
      }
    },
    step(ms) {
      wall += ms * 1_000;
    },
    get pending() {
      return timers.size;
    },
  };
}
