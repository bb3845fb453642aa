/** A cluster says only that it refuses; what is missing, and the command that mends it, are found as `check` finds them. */
import { Fault } from "../../../shared/errors.ts";
import type { Queue } from "../queue.ts";
import { faultsIn, type Inspection } from "./topics/topics.ts";

/** The same queue, whose refused commits name the rights and the topics that are missing. */
export function explained<Q extends Queue>(queue: Q, inspect: () => Promise<Pick<Inspection, "findings">>): Q {
  return {
    ...queue,
    async commit(outcomes, positions) {
      try {
        await queue.commit(outcomes, positions);
      } catch (error) {
        throw await reasoned(error, inspect);
      }
    },
  };
}

async function reasoned(error: unknown, inspect: () => Promise<Pick<Inspection, "findings">>): Promise<unknown> {
  if (!(error instanceof Fault) || error.code !== "unauthorised") return error;
  // Where nobody is let in any more, what was refused says it all.
  const found = await inspect().then(
    ({ findings }) => faultsIn(findings),
    () => undefined,
  );
  if (found === undefined) return error;
  const why = `${found.what} (${found.why})`;
  return new Fault(error.code, { ...found, what: error.what, why, retryable: error.retryable, cause: error });
}
