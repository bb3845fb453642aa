/** The changes between two clusters: each is the next era, written to the ledger before anybody acts in it. */
import type { Logger } from "pino";
import type { Env } from "../../../shared/env.ts";
import { messageOf } from "../../../shared/errors.ts";
import { recordOf } from "./announce.ts";
import type { openEras } from "./eras.ts";
import { type LedgerState, otherSide, type Side } from "./ledger.ts";
import type { StandbyJournal } from "./posture.ts";
import { noSwitch, notGivenUp, restartNeeded, stillInDoubt } from "./refusals.ts";
import type { SideKeeper } from "./side.ts";

export interface ChangesOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly sides: Readonly<Record<Side, SideKeeper>>;
  readonly eras: ReturnType<typeof openEras>;
  /** @throws Fault where nothing is noted yet */
  readonly present: () => { readonly journal: StandbyJournal; readonly state: LedgerState };
  /** Something was written: somebody must act in it. */
  readonly attend: () => void;
}

type Next = Partial<Omit<LedgerState, "era" | "change">>;

export function openChanges({ env, log, sides, eras, present, attend }: ChangesOptions) {
  /** Writes the next era, without a word. @throws Fault (retryable) where another one was written meanwhile */
  async function note(change: Next): Promise<void> {
    const { journal, state } = present();
    await eras.write(journal.ledger, state, change);
    attend();
  }

  /** A change that concerns readings: it names what is left in doubt, or is repeated. */
  async function move(next: Next, cause: string): Promise<void> {
    const { journal, state } = present();
    const to = next.active ?? state.active;
    const from = otherSide(to);
    const head = { era: state.era + 1, from, to, atMs: Math.floor(env.wallUs() / 1_000), cause };
    const change = recordOf(head, journal.ledger.reserved(from), next.isRepeating === true);
    await eras.write(journal.ledger, state, { ...next, change });
    const words = "the gateway goes on at one cluster without the other";
    log.warn({ ...head, abandoned: next.abandoned, alarm: true }, words);
    attend();
  }

  return {
    note,
    move,
    /** The same where nobody waits for it. */
    moveAlone(next: Next, cause: string): void {
      move(next, cause).catch((error: unknown) => log.error({ err: error }, messageOf(error)));
    },
    giveUp: (side: Side): Promise<void> =>
      move({ active: otherSide(side), abandoned: side, isRepeating: true }, "given up by a person"),
    async switchTo(side: Side): Promise<void> {
      const { active, abandoned } = present().state;
      if (side === active) throw noSwitch(side, "it takes the readings already");
      if (side === abandoned) throw noSwitch(side, "it was given up");
      if (sides[side].answersSinceMs() === null) throw noSwitch(side, "it does not answer");
      await move({ active: side, isRepeating: false }, "asked for");
    },
    /** Another cluster stands where one was given up. */
    async renew(side: Side): Promise<void> {
      const { journal, state } = present();
      if (state.abandoned !== side) throw notGivenUp(side);
      if (journal.ledger.reserved(side).length > 0) throw stillInDoubt(side);
      if (sides[side].isClosed()) throw restartNeeded(side);
      await note({ abandoned: null, isRepeating: false, clusterIds: { ...state.clusterIds, [side]: null } });
    },
  };
}
