/**
 * What a history is about. In the mixed one everything happens, much of it at once; the quiet one is for what shows only
 * where little is written: a partition that waits for its next transaction, a replay that stands alone at the end.
 */
import type { Dice } from "../dice.ts";

export type FaultName = "kill" | "zombie" | "away" | "power cut" | "weak broker" | "leaders moved" | "journal lost";

export interface Theme {
  /** Mean times from one block, fault or wish for a replay to the next. */
  readonly blockMs: number;
  readonly faultMs: number;
  readonly wishMs: number;
  /** How many blocks nobody can decode. */
  readonly deadShare: number;
  /** How often each fault comes beside the others. */
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  /** How many kinds of these faults a history has, about. */
  readonly faultShare: number;
}

const mixed: Theme = {
  blockMs: 700,
  faultMs: 20_000,
  wishMs: 15_000,
  deadShare: 0.1,
  faults: { kill: 4, zombie: 1, away: 2, "power cut": 3, "leaders moved": 2, "journal lost": 0.5 },
  faultShare: 0.6,
};

const quiet: Theme = {
  blockMs: 8_000,
  faultMs: 40_000,
  wishMs: 7_000,
  deadShare: 0.4,
  faults: { kill: 1, "weak broker": 4 },
  faultShare: 1,
};

export function pickTheme(dice: Dice): Theme {
  return dice.chance(0.3) ? quiet : mixed;
}

/** The kinds of faults that a history has. */
export function faultsOf({ faults, faultShare }: Theme, dice: Dice): FaultName[] {
  return (Object.keys(faults) as FaultName[]).filter(() => dice.chance(faultShare));
}

/** One of them, by its weight; undefined where there is none. */
export function pickFault<Name extends string>(
  weights: Readonly<Partial<Record<Name, number>>>,
  kinds: readonly Name[],
  dice: Dice,
): Name | undefined {
  let at = dice.next() * kinds.reduce((sum, name) => sum + (weights[name] ?? 0), 0);
  return kinds.find((name) => (at -= weights[name] ?? 0) < 0);
}
