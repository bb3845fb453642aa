/** For calls within a transaction: while it is open, to ask again costs less than to begin the term anew. */
import { ClusterError, type ClusterTrouble } from "../cluster.ts";
import type { Site } from "./term.ts";

const againMs = 1_000;

/**
 * Makes a call again as long as it fails with `trouble`; what ends the transaction meanwhile ends the calls too.
 * @param what says in the log what has happened
 * @throws whatever else the call does; Fault once the queue is closed
 */
export async function insistently<T>(
  { log, shard, pause }: Site,
  trouble: ClusterTrouble,
  what: string,
  call: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ClusterError) || error.trouble !== trouble) throw error;
      log.warn({ err: error, shard }, `${what}; asking again`);
      await pause(againMs);
    }
  }
}
