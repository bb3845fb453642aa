/** A ledger as the simulation sees it. */
import type { LaneSpans, Ledger } from "../../../gateway/queue/standby/ledger.ts";

/** A ledger that tells of its changes, and needs time for them: a process may die on both sides of each. */
export function told(ledger: Ledger, by: string, say: (line: string) => void, pause: () => Promise<void>): Ledger {
  const text = (names: readonly LaneSpans[]): string =>
    names
      .map(({ lane, spans }) => `${lane.agent} ${spans.map(({ first, last }) => `${first}-${last}`).join()}`)
      .join("; ");
  async function change(what: string, act: () => Promise<boolean>): Promise<boolean> {
    await pause();
    const isDone = await act();
    say(`   ${by} ${what}${isDone ? "" : ": in vain"}`);
    await pause();
    return isDone;
  }
  return {
    ...ledger,
    begin: (state, reserved) =>
      change(`begins the ledger; primary: ${text(reserved.primary)}; standby: ${text(reserved.standby)}`, () =>
        ledger.begin(state, reserved),
      ),
    move: (era, next) => change(`moves to era ${era + 1}: ${JSON.stringify(next)}`, () => ledger.move(era, next)),
    reserve: (era, side, names) =>
      change(`reserves at the ${side} in era ${era}: ${text(names)}`, () => ledger.reserve(era, side, names)),
    free: (era, side, names) =>
      change(`frees at the ${side} in era ${era}: ${text(names)}`, () => ledger.free(era, side, names)),
  };
}
