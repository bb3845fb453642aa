/**
 * Tells of a queue that does not answer, while its answer is still waited for: a commit that no broker answers is asked
 * for again until its transaction has timed out, and for that minute nothing had failed that the status could show.
 */
import type { Env } from "../../shared/env.ts";

export interface Silence {
  /** Makes a call, and remembers since when. */
  during<T>(call: () => Promise<T>): Promise<T>;
  /** What a person is to be told; null while nothing lasts long. */
  trouble(): string | null;
}

/** As long as one request to a broker may take. */
const longMs = 10_000;

export function watchSilence({ monoMs }: Pick<Env, "monoMs">): Silence {
  let askedMs: number | undefined;

  return {
    async during(call) {
      askedMs = monoMs();
      try {
        return await call();
      } finally {
        askedMs = undefined;
      }
    },
    trouble() {
      const waitedMs = askedMs === undefined ? 0 : monoMs() - askedMs;
      if (waitedMs < longMs) return null;
      return (
        `the queue has not answered for ${Math.floor(waitedMs / 1_000)} s; what now: ` +
        "look at the queue and the way there; the journal keeps what comes in"
      );
    },
  };
}
