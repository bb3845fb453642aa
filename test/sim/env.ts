/** The environment of one simulated process: its machine's clocks, and randomness of its own. */
import type { Env } from "../../shared/env.ts";
import type { Clock, Life } from "./clock.ts";
import type { Dice } from "./dice.ts";

/** 2025-01-01: where honest wall clocks begin. */
const wallStartUs = 1_735_689_600_000_000;

/** A machine: its clocks live through the crash of a process, not through a reboot. */
export interface Machine {
  bootId: string;
  bootedMs: number;
  /** Parts that the wall clock gains per part of time. */
  drift: number;
  /** How far the wall clock is off, ms. */
  offMs: number;
}

export function newMachine(dice: Dice): Machine {
  return {
    bootId: Buffer.from(dice.bytes(8)).toString("hex"),
    bootedMs: 0,
    drift: dice.between(-1e-4, 1e-4),
    offMs: 0,
  };
}

/**
 * The environment of a process on a machine.
 * @param dice the process's own: a forked process has the same memory, but the kernel's randomness differs
 * @param guard wraps everything that timers call
 */
export function processEnv(
  clock: Clock,
  machine: Machine,
  life: Life,
  dice: Dice,
  guard: (action: () => void) => () => void,
): Env {
  const { bootId, bootedMs } = machine;
  return {
    wallUs: () => Math.round(wallStartUs + (clock.nowMs() * (1 + machine.drift) + machine.offMs) * 1000),
    monoMs: () => clock.nowMs() - bootedMs,
    randomBytes: (size) => dice.bytes(size),
    random: () => dice.next(),
    after: (delayMs, action) => clock.after(delayMs, life, guard(action)),
    soon: (action) => clock.after(0, life, guard(action)),
    bootId,
  };
}
