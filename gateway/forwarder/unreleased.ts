/**
 * Entries whose steps the queue has committed and not released yet: they stay in the journal until nothing can take
 * their records back (I5). Pure: a list by step.
 */
import { codecLoss } from "../../shared/block/block.ts";
import type { JournalEntry } from "../journal/journal.ts";
import { laneKey } from "../queue/lane-key.ts";
import type { LanePosition } from "../queue/queue.ts";

/** What the journal may settle together. */
export interface Settling {
  readonly ids: readonly number[];
  readonly positions: readonly LanePosition[];
}

/** What waits for its release. */
export interface Waiting {
  readonly readings: number;
  readonly bytes: number;
}

interface Step {
  step: number;
  readings: number;
  bytes: number;
  readonly ids: number[];
  /** By lane: a later position takes the place of an earlier one. */
  readonly positions: Map<string, LanePosition>;
}

/** More steps than these are joined in pairs: an entry is then released a little later, and memory stays flat (I8). */
const stepsMax = 1_024;

const nothing: Waiting = { readings: 0, bytes: 0 };

export function openUnreleased() {
  let steps: Step[] = [];
  let size = 0;
  let waiting = nothing;

  function join(into: Step, later: Step): void {
    into.step = later.step;
    into.readings += later.readings;
    into.bytes += later.bytes;
    for (const id of later.ids) into.ids.push(id);
    for (const [key, position] of later.positions) into.positions.set(key, position);
  }

  return {
    /** Entries that wait for their release. */
    size: () => size,
    /** The entry to read on behind; 0 where none waits, since then nothing is left to be skipped. */
    lastId: () => steps.at(-1)?.ids.at(-1) ?? 0,
    /**
     * Notes that the records of `entries` are in the queue with `step` or before.
     * @param positions of every lane of the entries, as of that step
     */
    add(step: number, entries: readonly JournalEntry[], positions: readonly LanePosition[]): void {
      const byLane = positions.map((one): [string, LanePosition] => [laneKey(one.lane), one]);
      const { readings, bytes } = sumOf(entries);
      steps.push({ step, ids: entries.map(({ id }) => id), positions: new Map(byLane), readings, bytes });
      size += entries.length;
      waiting = { readings: waiting.readings + readings, bytes: waiting.bytes + bytes };
      if (steps.length <= stepsMax) return;
      steps.forEach((one, at) => {
        const next = steps[at + 1];
        if (at % 2 === 0 && next !== undefined) join(one, next);
      });
      steps = steps.filter((_, at) => at % 2 === 0);
    },
    /** Takes out what `released` covers; undefined where that is nothing. */
    release(released: number): Settling | undefined {
      const count = steps.findIndex(({ step }) => step > released);
      const [first, ...rest] = steps.splice(0, count < 0 ? steps.length : count);
      if (first === undefined) return undefined;
      for (const later of rest) join(first, later);
      size -= first.ids.length;
      waiting = { readings: waiting.readings - first.readings, bytes: waiting.bytes - first.bytes };
      return { ids: first.ids, positions: [...first.positions.values()] };
    },
    clear(): void {
      steps = [];
      size = 0;
      waiting = nothing;
    },
    waiting: (): Waiting => waiting,
  };
}

function sumOf(entries: readonly JournalEntry[]): Waiting {
  let [readings, bytes] = [0, 0];
  for (const { block } of entries) {
    if (block.codec !== codecLoss) readings += block.count;
    bytes += block.bytes.length;
  }
  return { readings, bytes };
}
