/** A ledger in memory, fast enough for thousands of histories. */
import { laneKey } from "../../gateway/queue/lane-key.ts";
import {
  bothSides,
  type LaneSpans,
  type Ledger,
  type LedgerState,
  type Side,
} from "../../gateway/queue/standby/ledger.ts";
import { beyond, merged, type Ranges, type Span } from "../../shared/ranges.ts";

/** @param forwarded what its journal knows as forwarded */
export function lightLedger(journalId: () => string, forwarded: (lane: LaneSpans["lane"]) => Ranges): Ledger {
  let noted: { id: string; state: LedgerState } | undefined;
  const sides: Record<Side, Map<string, LaneSpans>> = { primary: new Map(), standby: new Map() };

  const stateNow = (): LedgerState | null => (noted?.id === journalId() ? noted.state : null);

  function put(side: Side, { lane, spans }: LaneSpans): void {
    if (spans.length === 0) sides[side].delete(laneKey(lane));
    else sides[side].set(laneKey(lane), { lane, spans });
  }

  async function inEra(era: number, act: () => void): Promise<boolean> {
    if (stateNow()?.era !== era) return false;
    act();
    return true;
  }

  const spansOf = (side: Side, lane: LaneSpans["lane"]): readonly Span[] => sides[side].get(laneKey(lane))?.spans ?? [];

  return {
    state: stateNow,
    clusterIds: () => noted?.state.clusterIds ?? null,
    async begin(state, reserved) {
      if (stateNow() !== null) return false;
      noted = { id: journalId(), state };
      for (const side of bothSides) {
        sides[side].clear();
        for (const names of reserved[side]) put(side, names);
      }
      return true;
    },
    move: (era, next) =>
      inEra(era, () => {
        noted = { id: journalId(), state: { ...next, era: era + 1 } };
      }),
    reserve: async (era, side, names) =>
      stateNow()?.active === side &&
      inEra(era, () => {
        for (const { lane, spans } of names) put(side, { lane, spans: merged([...spansOf(side, lane), ...spans]) });
      }),
    free: (era, side, names) =>
      inEra(era, () => {
        for (const { lane, spans } of names) put(side, { lane, spans: beyond(spansOf(side, lane), spans) });
      }),
    reserved: (side) =>
      [...sides[side].values()].flatMap(({ lane, spans }) => {
        const left = beyond(spans, forwarded(lane));
        return left.length === 0 ? [] : { lane, spans: left };
      }),
    forwarded,
    async end() {
      noted = undefined;
      for (const side of Object.values(sides)) side.clear();
    },
  };
}
