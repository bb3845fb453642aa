/** What the tests of inputs give to an input: the fake intake, the real clock and a log that says nothing. */
import { pino } from "pino";
import type { InputContext } from "../../agent/inputs/input.ts";
import { type Env, realEnv } from "../../shared/env.ts";
import { createFakeIntake, type FakeIntake } from "./intake.ts";

export interface TestContext extends InputContext {
  readonly intake: FakeIntake;
  /** Messages logged at level warn or above. */
  readonly warnings: string[];
}

/** A context with streams `alarm`, `telemetry` and `log`. */
export function createTestContext(intake: FakeIntake = createFakeIntake(), env: Env = realEnv()): TestContext {
  const warnings: string[] = [];
  const write = (line: string): void => void warnings.push((JSON.parse(line) as { msg: string }).msg);
  const log = pino({ level: "warn" }, { write });
  return { intake, env, log, streams: ["alarm", "telemetry", "log"], warnings };
}

/** Resolves once `holds` does. The test runner's own time-out ends a wait in vain. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}
