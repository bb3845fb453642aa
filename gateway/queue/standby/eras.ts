/** The eras that this process acts in: it writes the next one only from its own, and knows its own moves from another's. */
import type { Ledger, LedgerState } from "./ledger.ts";
import { beganAnew } from "./refusals.ts";

export function openEras() {
  let own: number | undefined;
  /** The one that is being written. */
  let next: number | undefined;

  return {
    /** From here on this process acts in an era; undefined where it acts in none. */
    enter: (era: number | undefined): void => void (own = era),
    isOwn: (era: number): boolean => era === own || era === next,
    isMoving: (): boolean => next !== undefined,
    /** Writes the next era. @throws Fault (retryable) where another one was written meanwhile, or is being written */
    async write(ledger: Ledger, state: LedgerState, change: Partial<Omit<LedgerState, "era">>): Promise<void> {
      if (next !== undefined) throw beganAnew();
      const { era, ...known } = state;
      next = era + 1;
      try {
        if (!(await ledger.move(era, { ...known, ...change }))) throw beganAnew();
        own = next;
      } finally {
        next = undefined;
      }
    },
  };
}
