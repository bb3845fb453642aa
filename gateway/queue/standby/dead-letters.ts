/** Dead letters of two clusters: each stands in one of them, and is replayed there. */
import { Fault } from "../../../shared/errors.ts";
import type { DeadLetters } from "../dead-letters.ts";
import type { Queue } from "../queue.ts";

/** Letters between their finding and their release, by id. */
const foundMax = 1_000;

/** @param queues of the clusters that answer, the primary's first */
export function eitherLetters(queues: () => readonly Pick<Queue, "deadLetters">[]): DeadLetters {
  const found = new Map<string, DeadLetters>();
  const letters = (): DeadLetters[] => queues().flatMap(({ deadLetters }) => deadLetters ?? []);

  function of(id: string): DeadLetters {
    const own = found.get(id);
    if (own !== undefined && letters().includes(own)) return own;
    throw away(id);
  }

  return {
    async find(id, place) {
      let fault: unknown;
      for (const one of letters()) {
        try {
          const letter = await one.find(id, place);
          if (found.size >= foundMax) found.clear();
          found.set(id, one);
          return letter;
        } catch (error) {
          fault ??= error;
        }
      }
      if (fault instanceof Error) throw fault;
      throw away(id);
    },
    replay: (letter, body) => of(letter.id).replay(letter, body),
    released: (id) => of(id).released(id),
    written: () => letters().reduce((sum, one) => sum + one.written(), 0),
  };
}

function away(id: string): Fault {
  return new Fault("unavailable", {
    what: `the cluster of the dead letter ${id} does not answer`,
    remedy: "replay it again when it does",
    retryable: true,
  });
}
