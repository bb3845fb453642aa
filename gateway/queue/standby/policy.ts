/** When a gateway changes to the other cluster by itself. Pure. */
import { otherSide, type Side } from "./ledger.ts";

export interface StandbyRules {
  /** False where only a person switches. */
  readonly isAutomatic: boolean;
  /** So long the active cluster must have taken nothing, ms. */
  readonly switchAfterMs: number;
  /** So long the primary must have answered before it is active again, ms. */
  readonly backAfterMs: number;
  /** What becomes of readings that a cluster which is away may have: `hold` waits for it, `repeat` sends them marked. */
  readonly inDoubt: "hold" | "repeat";
}

export interface Situation {
  readonly nowMs: number;
  readonly active: Side;
  readonly abandoned: Side | null;
  /** Since when the active cluster takes nothing of what waits; null while it does. */
  readonly troubleSinceMs: number | null;
  /** Since when the other cluster answers; null while it does not. */
  readonly otherSinceMs: number | null;
  /** Seqs that wait for the other cluster to tell whether it has them. */
  readonly heldSeqs: number;
}

/** The side that should be active now. */
export function sideFor(rules: StandbyRules, situation: Situation): Side {
  const { nowMs, active, abandoned, troubleSinceMs, otherSinceMs, heldSeqs } = situation;
  const other = otherSide(active);
  // A cluster that does not answer either would be no help.
  if (!rules.isAutomatic || abandoned === other || otherSinceMs === null) return active;
  if (troubleSinceMs !== null && nowMs - troubleSinceMs >= rules.switchAfterMs) return other;
  const mayReturn = active === "standby" && heldSeqs === 0 && nowMs - otherSinceMs >= rules.backAfterMs;
  return mayReturn ? "primary" : active;
}
