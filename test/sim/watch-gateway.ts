/** Wraps what a gateway stands on, so that what must never be seen is found at once. */
import type { Journal, LaneState } from "../../gateway/journal/journal.ts";
import { rangesMax } from "../../shared/limits.ts";
import { rangesFault } from "../../shared/ranges.ts";
import type { FakeQueue } from "../fakes/queue.ts";
import { laneName } from "./oracle.ts";
import type { World } from "./world.ts";

/** Counts and traces what the queue is made to forget. */
export function watchQueue(world: World, queue: FakeQueue): FakeQueue {
  return {
    ...queue,
    open() {
      const handle = queue.open();
      return {
        ...handle,
        forget(floor, lanes) {
          world.count("epoch forgotten", lanes.length);
          world.trace(
            () =>
              `queue forgets ${lanes.map(({ stream, epoch }) => `${stream}/${epoch.slice(0, 4)}`).join(" ")} floor ${floor.run}`,
          );
          return handle.forget(floor, lanes);
        },
      };
    },
  };
}

/** The last position that was told, by journal id and lane. */
export type ToldPositions = Map<string, { version: number; text: string; atMs: number }>;

/**
 * A version counts every change of a position: under one journal id it never falls, and one version never has two
 * contents (PROTOCOL §3). Ranges stay within their limit, sorted and disjoint (I8).
 * @param told outlives the process, but not a journal that was put back
 */
export function watchJournal(world: World, journal: Journal, told: ToldPositions): Journal {
  function check(state: LaneState | null): void {
    if (state === null) return;
    const { lane, version, journaled, forwarded } = state;
    const key = `${journal.journalId()} ${laneName(lane)}`;
    const text = JSON.stringify([journaled, forwarded]);
    const before = told.get(key);
    if (before !== undefined && version > 0) {
      // Answers of one group commit may leave in any order: each was true when it was made durable.
      const isLater = world.clock.nowMs() > before.atMs;
      if (version < before.version && isLater)
        world.find("VERSION-FELL", `${key} from ${before.version} to ${version}`);
      if (version === before.version && text !== before.text) world.find("VERSION-TWICE", `${key} at ${version}`);
    }
    if (version > 0) told.set(key, { version, text, atMs: world.clock.nowMs() });
    const fault = rangesFault(journaled) ?? rangesFault(forwarded);
    if (fault !== undefined) world.find("BAD-RANGES", `${key}: ${fault}`);
    // A cut may split ranges beyond the limit; taking never does.
    if (journaled.length > 2 * rangesMax) world.find("TOO-MANY-RANGES", `${key} has ${journaled.length}`);
  }
  return {
    ...journal,
    async ask(agent, entry) {
      const answer = await journal.ask(agent, entry);
      check(answer.state);
      return answer;
    },
    async take(agent, batch) {
      const answer = await journal.take(agent, batch);
      check(answer.state);
      return answer;
    },
  };
}
