/** What one cluster may have, compared with what it shows: what must be held, and what may be sent elsewhere. Pure. */
import { beyond, type Ranges, type Span, sizeOf } from "../../../shared/ranges.ts";
import { laneKey } from "../lane-key.ts";
import type { Lane, LanePosition, Outcome, Queue } from "../queue.ts";
import type { LaneSpans } from "./ledger.ts";

/** Spans by lane. */
export type Held = ReadonlyMap<string, LaneSpans>;

/** What of `names` the ranges lack; lanes of which nothing is left are left out. */
export function lacking(names: Iterable<LaneSpans>, ranges: (lane: Lane) => Ranges): LaneSpans[] {
  return [...names].flatMap(({ lane, spans }) => {
    const left = beyond(spans, ranges(lane));
    return left.length === 0 ? [] : { lane, spans: left };
  });
}

export function byLane(names: Iterable<LaneSpans>): Held {
  return new Map([...names].map((one) => [laneKey(one.lane), one]));
}

/**
 * All that a cluster has. What it has released counts too: a journal that went back may not know that, and this cluster
 * may be away when it is to be told (found by the simulation).
 */
export function allOf(queue: Pick<Queue, "positions">): LaneSpans[] {
  return [...queue.positions()].map(({ lane, forwarded }) => ({ lane, spans: forwarded }));
}

/** The seqs that outcomes settle, by lane. */
export function namesOf(outcomes: readonly Outcome[]): LaneSpans[] {
  const names = new Map<string, { lane: Lane; spans: Span[] }>();
  for (const { lane, spans } of outcomes) {
    const known = names.get(laneKey(lane)) ?? { lane, spans: [] };
    names.set(laneKey(lane), known);
    known.spans.push(...spans);
  }
  return [...names.values()];
}

/** Outcomes with those seqs apart and marked that another cluster may have too. */
export function marked(outcomes: readonly Outcome[], doubted: Held): readonly Outcome[] {
  if (doubted.size === 0) return outcomes;
  return outcomes.flatMap((outcome) => {
    const doubts = doubted.get(laneKey(outcome.lane))?.spans ?? [];
    const sure = beyond(outcome.spans, doubts);
    const unsure = beyond(outcome.spans, sure);
    return [
      ...(sure.length === 0 ? [] : [{ ...outcome, spans: sure }]),
      ...(unsure.length === 0 ? [] : [{ ...outcome, spans: unsure, isDoubted: true }]),
    ];
  });
}

/** Seqs, all lanes together. */
export function seqsIn(names: Iterable<LaneSpans>): number {
  let sum = 0;
  for (const { spans } of names) sum += sizeOf(spans);
  return sum;
}

/** Positions by lane, the first that is given before others of the same lane. */
export function* eachLane(...positions: Iterable<LanePosition>[]): Generator<LanePosition> {
  const seen = new Set<string>();
  for (const some of positions) {
    for (const position of some) {
      const key = laneKey(position.lane);
      if (seen.has(key)) continue;
      seen.add(key);
      yield position;
    }
  }
}
