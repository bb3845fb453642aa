/**
 * A forwarder of one shard of the replicated journal, step by step: it reads, commits to the queue, marks. What it knows of
 * the queue is what it knew at its own latest commit: one that another has fenced goes on with that.
 */

import { bodyOf } from "../../../gateway/forwarder/outcome.ts";
import { planCommit } from "../../../gateway/forwarder/plan.ts";
import { openLaneMarker } from "../../../gateway/journal/jetstream/lane-marker.ts";
import { readLaneMessage } from "../../../gateway/journal/jetstream/messages.ts";
import { laneOf } from "../../../gateway/journal/jetstream/names.ts";
import { openWindow } from "../../../gateway/journal/jetstream/shard-window.ts";
import { type JournalArchive, type JournalStream, StreamTrouble } from "../../../gateway/journal/jetstream/stream.ts";
import { laneKey } from "../../../gateway/queue/lane-key.ts";
import type { Floor, Queue } from "../../../gateway/queue/queue.ts";
import { Fault } from "../../../shared/errors.ts";
import { highest, type Ranges } from "../../../shared/ranges.ts";

export interface ShardForwarder {
  /** One round; false once another forwarder has taken the queue. */
  round(): Promise<boolean>;
}

export function shardForwarder(
  { stream, archive }: { stream: JournalStream; archive: JournalArchive },
  queue: Queue,
): ShardForwarder {
  const window = openWindow();
  let released = new Map<string, Ranges>();
  let floors: readonly Floor[] = [];
  const marker = openLaneMarker({
    stream,
    archive,
    queue: { commit: queue.commit, released: (lane) => released.get(laneKey(lane)) ?? [] },
  });
  let from = 1;
  remember();

  function remember(): void {
    released = new Map([...queue.releasedPositions()].map(({ lane, forwarded }) => [laneKey(lane), forwarded]));
    floors = [...queue.floors()];
  }

  function isForgotten(subject: string, storeId: string, run: number): boolean {
    const lane = laneOf(subject);
    if (lane === undefined || highest(released.get(laneKey(lane)) ?? []) > 0) return false;
    return floors.some((floor) => floor.agent === lane.agent && floor.storeId === storeId && run <= floor.run);
  }

  async function work(): Promise<void> {
    for (const { subject, seq, bytes } of await stream.read("", from, { messagesMax: 4, bytesMax: 1e6, waitMs: 0 })) {
      const message = readLaneMessage(bytes);
      const forgotten = message !== undefined && isForgotten(subject, message.page.storeId, message.page.run);
      window.add(subject, seq, message, forgotten);
      from = seq + 1;
    }
    await forward();
    for (const subject of window.due()) {
      const lane = window.lane(subject);
      if (lane === undefined) continue;
      const marked = await marker.mark(lane);
      if (marked.kind === "marked") window.marked(subject, marked.seq);
      if (marked.kind === "unread") window.notYet(subject);
    }
  }

  async function forward(): Promise<void> {
    const entries = window.read(1e6, 1e6);
    if (entries.length === 0) return;
    const { open, whole, changed } = planCommit(entries, (lane) => queue.forwarded(lane));
    const outcomes = open.map(({ entry, spans }) => {
      const { lane, block } = entry;
      return { lane, spans, block, body: bodyOf(entry) };
    });
    await queue.commit(outcomes, changed);
    remember();
    window.settle(whole.map(({ id }) => id));
  }

  return {
    async round() {
      try {
        await work();
      } catch (error) {
        if (error instanceof Fault && error.code === "closed") return false;
        if (!(error instanceof StreamTrouble) || error.kind !== "away") throw error;
      }
      return true;
    },
  };
}
