/** A folder of log files and a tail input on it, new for each test; the time runs a hundred times as fast. */
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "node:test";
import type { Input } from "../../agent/inputs/input.ts";
import { startTail, type TailPace } from "../../agent/inputs/tail.ts";
import { type Env, realEnv } from "../../shared/env.ts";
import { createTestContext, type TestContext, until } from "./input-context.ts";
import { createFakeIntake, type FakeIntake } from "./intake.ts";

/** Waits and time-outs of the input shrink to ms. */
function fastEnv(): Env {
  const env = realEnv();
  return { ...env, monoMs: () => env.monoMs() * 100, after: (delayMs, action) => env.after(delayMs / 100, action) };
}

/** To be called inside a `describe`. */
export function useTailFolder() {
  let folder: string;
  let intake: FakeIntake;
  let context: TestContext;
  let running: Input[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-tail-"));
    intake = createFakeIntake();
    running = [];
  });
  afterEach(async () => {
    for (const input of running) await input.stop();
    rmSync(folder, { recursive: true });
  });

  const path = (name: string): string => join(folder, name);
  const values = () => intake.readings("log").map(({ value }) => value);
  return {
    path,
    /** Appends whole lines to a file. */
    add: (name: string, ...lines: string[]): void =>
      appendFileSync(path(name), lines.map((line) => `${line}\n`).join("")),
    intake: () => intake,
    /** That of the input that was started last. */
    context: () => context,
    /** What was committed so far. */
    values,
    /** Waits for so many readings. */
    seen: (count: number) => until(() => values().length >= count),
    start(patterns: string[], pace: Partial<TailPace> = {}): Input {
      context = createTestContext(intake, fastEnv());
      const options = { name: "app", files: patterns.map(path), stream: "log", format: "text" } as const;
      const input = startTail(options, context, { scanMs: 500, releaseMs: 1_000_000, ...pace });
      running.push(input);
      return input;
    },
  };
}

/** Readings of several files may come in any order. */
export const sorted = (values: unknown[]) => values.map(String).sort((a, b) => (a < b ? -1 : 1));
