/**
 * An in-memory queue for the simulator: it survives the crash of a gateway as a real one does, keeps every outcome for
 * the audit, and fails on demand before or after its commit point.
 */

import type { Floor, Lane, LanePosition, Outcome, Queue } from "../../gateway/queue/queue.ts";
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
}

export interface FakeQueue {
  /** Every outcome that was committed, in order. */
  readonly outcomes: readonly Outcome[];
  /** Opens the queue, as a gateway does at its start; a handle that was opened before is fenced from now on (I5). */
  open(): Queue;
}

export function fakeQueue(options: FakeQueueOptions = {}): FakeQueue {
  const outcomes: Outcome[] = [];
  const positions = new Map<string, LanePosition>();
  const floors = new Map<string, Floor>();
  const pause = options.pause ?? (() => Promise.resolve());
  let handles = 0;

  function openHandle(handle: number): Queue {
    let closed = false;

    function refuseStale(): void {
      if (closed) throw new Fault("closed", { what: "the queue is closed", retryable: true });
      if (handle !== handles) throw new Fault("closed", { what: "this handle of the queue is fenced" });
    }

    return {
      queueId: options.queueId ?? "f".repeat(32),
      groupId: options.groupId ?? "e".repeat(32),
      *positions() {
        refuseStale();
        yield* [...positions.values()];
      },
      forwarded(lane) {
        refuseStale();
        return positions.get(laneKey(lane))?.forwarded ?? [];
      },
      floors() {
        refuseStale();
        return [...floors.values()];
      },
      async commit(added, moved) {
        refuseStale();
        await pause();
        refuseStale();
        const fault = options.fault?.();
        if (fault === "full") throw new Fault("full", { what: "the queue takes nothing more", retryable: true });
        if (fault === "before") throw new Fault("unavailable", { what: "the queue is away", retryable: true });
        outcomes.push(...added);
        for (const position of moved) positions.set(laneKey(position.lane), position);
        await pause();
        if (fault === "after") throw new Fault("unavailable", { what: "the answer was lost", retryable: true });
      },
      async forget(floor, lanes) {
        refuseStale();
        const key = JSON.stringify([floor.agent, floor.storeId]);
        floors.set(key, { ...floor, run: Math.max(floor.run, floors.get(key)?.run ?? 0) });
        for (const lane of lanes) positions.delete(laneKey(lane));
      },
      async close() {
        closed = true;
      },
    };
  }

  return { outcomes, open: () => openHandle(++handles) };
}

function laneKey({ agent, stream, epoch }: Lane): string {
  return JSON.stringify([agent, stream, epoch]);
}
