/**
 * An in-memory queue for the simulator: it survives the crash of a gateway as a real one does, keeps every outcome for
 * the audit, fails on demand before or after its commit point, and can lose what it has not released.
 */

import { laneKey } from "../../gateway/queue/lane-key.ts";
import type { Floor, LanePosition, Outcome, Queue } from "../../gateway/queue/queue.ts";
import { Fault } from "../../shared/errors.ts";

/** How the next commit fails: without having landed (`full`, `before`), or landed with its answer lost (`after`). */
export type QueueFault = "full" | "before" | "after";

export interface FakeQueueOptions {
  readonly queueId?: string;
  readonly groupId?: string;
  /** Asked at each commit; undefined lets it pass. */
  readonly fault?: () => QueueFault | undefined;
  /** Awaited before and after the commit point: simulated latency, or a promise that a crash never resolves. */
  readonly pause?: () => Promise<void>;
  /** Told of each step that landed: to call `release` later is to settle later. Without it each step settles at once. */
  readonly settle?: (release: () => void) => void;
}

export interface FakeQueue {
  /** Every outcome that the queue holds, in order. */
  readonly outcomes: readonly Outcome[];
  /** Opens the queue, as a gateway does at its start; a handle that was opened before is fenced from now on (I5). */
  open(): Queue;
  /** Steps that are not released: so many, the latest ones, can be lost. */
  unreleased(): number;
  /** Loses the latest `count` steps that are not released, as a broker does that wrote them to no disk. */
  loseTail(count: number): void;
}

/** What the queue was before an unreleased step. */
interface Before {
  readonly outcomes: number;
  readonly positions: ReadonlyMap<string, LanePosition>;
}

export function fakeQueue(options: FakeQueueOptions = {}): FakeQueue {
  const outcomes: Outcome[] = [];
  let positions = new Map<string, LanePosition>();
  const floors = new Map<string, Floor>();
  const pause = options.pause ?? (() => Promise.resolve());
  const settle = options.settle ?? ((release) => release());
  const undo: Before[] = [];
  const listeners = new Set<() => void>();
  let handles = 0;
  let generation = 0;
  let landed = 0;
  let released = 0;
  /** The steps that were left when some were lost. */
  let lostTo = 0;

  /** The positions before the oldest step that is not released. */
  function settled(): ReadonlyMap<string, LanePosition> {
    return undo[0]?.positions ?? positions;
  }

  function tell(): void {
    for (const listener of listeners) listener();
  }

  /** Settles all that has landed by now, unless some of it is lost before. */
  function settleLater(): void {
    const [step, own] = [landed, generation];
    settle(() => {
      if (own !== generation || step <= released) return;
      undo.splice(0, step - released);
      released = step;
      tell();
    });
  }

  function land(added: readonly Outcome[], moved: readonly LanePosition[]): void {
    undo.push({ outcomes: outcomes.length, positions: new Map(positions) });
    outcomes.push(...added);
    for (const position of moved) positions.set(laneKey(position.lane), position);
    landed++;
    settleLater();
  }

  function openHandle(handle: number): Queue {
    const opened = { landed, generation };
    let closed = false;

    function refuseStale(): void {
      if (closed) throw new Fault("closed", { what: "the queue is closed", retryable: true });
      if (handle !== handles) throw new Fault("closed", { what: "this handle of the queue is fenced" });
    }

    return {
      queueId: options.queueId ?? "f".repeat(32),
      groupId: options.groupId ?? "e".repeat(32),
      progress: () => {
        // After a loss steps count from what is left.
        const from = opened.generation === generation ? opened.landed : lostTo;
        return { generation: generation - opened.generation, committed: landed - from, released: released - from };
      },
      onProgress: (listener) => void listeners.add(listener),
      *positions() {
        refuseStale();
        yield* [...positions.values()];
      },
      forwarded(lane) {
        refuseStale();
        return positions.get(laneKey(lane))?.forwarded ?? [];
      },
      released(lane) {
        refuseStale();
        return settled().get(laneKey(lane))?.forwarded ?? [];
      },
      *releasedPositions() {
        refuseStale();
        yield* [...settled().values()];
      },
      floors() {
        refuseStale();
        return [...floors.values()];
      },
      async commit(added, moved) {
        refuseStale();
        const own = generation;
        await pause();
        refuseStale();
        const fault = options.fault?.();
        if (fault === "full") throw new Fault("full", { what: "the queue takes nothing more", retryable: true });
        if (fault === "before" || own !== generation) {
          throw new Fault("unavailable", { what: "the queue is away", retryable: true });
        }
        land(added, moved);
        await pause();
        if (fault === "after") throw new Fault("unavailable", { what: "the answer was lost", retryable: true });
      },
      async forget(floor, lanes) {
        refuseStale();
        const key = JSON.stringify([floor.agent, floor.storeId]);
        floors.set(key, { ...floor, run: Math.max(floor.run, floors.get(key)?.run ?? 0) });
        for (const known of [positions, ...undo.map((before) => before.positions as Map<string, LanePosition>)]) {
          for (const lane of lanes) known.delete(laneKey(lane));
        }
      },
      async close() {
        closed = true;
      },
    };
  }

  return {
    outcomes,
    open() {
      listeners.clear();
      return openHandle(++handles);
    },
    unreleased: () => landed - released,
    loseTail(count) {
      const before = undo.splice(undo.length - count)[0];
      if (before === undefined) return;
      outcomes.length = before.outcomes;
      positions = new Map(before.positions);
      landed -= count;
      lostTo = landed;
      generation++;
      if (landed > released) settleLater();
      tell();
    },
  };
}
