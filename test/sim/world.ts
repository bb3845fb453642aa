/** What all parts of a simulated world share: time, chance, the truth, and what was found and counted. */
import { type Clock, createClock } from "./clock.ts";
import { type Dice, seededDice } from "./dice.ts";
import { createOracle, type Oracle } from "./oracle.ts";

/** Something that must not happen. */
export interface Finding {
  readonly kind: string;
  readonly text: string;
}

export interface World {
  readonly clock: Clock;
  readonly seed: number;
  readonly dice: Dice;
  readonly oracle: Oracle;
  /** How often each fault, verdict and event occurred. */
  readonly counts: Map<string, number>;
  readonly findings: Finding[];
  /** True while nothing goes wrong any more, so that everything can settle. */
  calm: boolean;
  count(what: string, times?: number): void;
  find(kind: string, text: string): void;
  /** Lazy: a passing seed writes no trace, a failing one is run again with it. */
  trace(text: () => string): void;
}

/** Findings of one seed beyond this say nothing new. */
const findingsMax = 20;

export function createWorld(seed: number, trace?: (line: string) => void): World {
  const clock = createClock();
  const counts = new Map<string, number>();
  const findings: Finding[] = [];
  const world: World = {
    clock,
    seed,
    dice: seededDice(seed),
    oracle: createOracle(),
    counts,
    findings,
    calm: false,
    count: (what, times = 1) => void counts.set(what, (counts.get(what) ?? 0) + times),
    find(kind, text) {
      if (findings.length < findingsMax) findings.push({ kind, text });
      world.trace(() => `FOUND ${kind}: ${text}`);
    },
    trace(text) {
      if (trace !== undefined) trace(`${clockText(clock.nowMs())} ${text()}`);
    },
  };
  return world;
}

function clockText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${String(Math.floor(ms) % 1000).padStart(3, "0")}`;
}
