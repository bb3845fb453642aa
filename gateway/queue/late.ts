/**
 * A queue that is still being opened. A gateway that starts while its queue's cluster is away must take what agents bring
 * all the same: links to a cluster fail for weeks, and agents have small cards. Until the queue is there, what the journal
 * remembers of it stands for it; nothing is committed, and nothing is forgotten.
 */
import { Fault } from "../../shared/errors.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { laneKey } from "./lane-key.ts";
import type { LanePosition, Queue } from "./queue.ts";

export interface LateQueue extends Queue {
  /** Nothing until `attach`. */
  reach(): "nothing" | "all";
  /** The queue itself. Before the next commit the journal must have compared itself with it. */
  attach(queue: Queue): void;
  /** From here on steps are committed. */
  begin(): void;
}

/** @param remembered the positions that the journal knows as forwarded */
export function lateQueue(groupId: string, remembered: readonly LanePosition[]): LateQueue {
  const known = new Map(remembered.map((position) => [laneKey(position.lane), position]));
  const listeners = new Set<() => void>();
  let queue: Queue | undefined;
  let hasBegun = false;

  function begun(): Queue {
    if (queue !== undefined && hasBegun) return queue;
    throw new Fault("unavailable", {
      what: "the queue has not been reached since the start",
      why: "its cluster does not answer; the log says more",
      remedy: "look at the cluster; the journal keeps what comes in, and the gateway tries again by itself",
      retryable: true,
    });
  }

  const refuse = async (): Promise<never> => begun() as never;
  const unreached: DeadLetters = { find: refuse, replay: refuse, released: refuse, written: () => 0 };

  return {
    get queueId() {
      return queue?.queueId ?? "";
    },
    groupId,
    reach: () => (queue === undefined ? "nothing" : "all"),
    attach(opened) {
      queue = opened;
      for (const listener of listeners) opened.onProgress(listener);
    },
    begin() {
      hasBegun = true;
      for (const listener of listeners) listener();
    },
    progress() {
      if (queue === undefined || !hasBegun) return { generation: 0, committed: 0, released: -1 };
      const progress = queue.progress();
      return { ...progress, generation: progress.generation + 1 };
    },
    onProgress(listener) {
      listeners.add(listener);
      queue?.onProgress(listener);
    },
    positions: () => queue?.positions() ?? known.values(),
    forwarded: (lane) => (queue === undefined ? (known.get(laneKey(lane))?.forwarded ?? []) : queue.forwarded(lane)),
    released: (lane) => (queue === undefined ? (known.get(laneKey(lane))?.forwarded ?? []) : queue.released(lane)),
    releasedPositions: () => queue?.releasedPositions() ?? known.values(),
    floors: () => queue?.floors() ?? [],
    commit: async (outcomes, positions) => begun().commit(outcomes, positions),
    get deadLetters() {
      return queue === undefined || !hasBegun ? unreached : queue.deadLetters;
    },
    gone: () => queue?.gone?.() ?? [],
    holdsBack: () => queue?.holdsBack?.() ?? null,
    forget: async (floor, lanes) => begun().forget(floor, lanes),
    close: async () => queue?.close(),
  };
}
