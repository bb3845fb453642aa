/** How an opening waits for a cluster that is away. */
import type { Logger } from "pino";
import { backoffMs } from "../../../shared/backoff.ts";
import type { Env } from "../../../shared/env.ts";
import { Fault } from "../../../shared/errors.ts";
import { troubleFault } from "./trouble.ts";

export interface Patience {
  readonly env: Env;
  readonly log: Logger;
  readonly positionsTopic: string;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** Tries until it works, or until trying again cannot help. @throws Fault */
export async function patiently<T>({ env, log, signal, positionsTopic }: Patience, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (caught) {
      const error = troubleFault(caught, positionsTopic);
      if (!(error instanceof Fault) || !error.retryable || signal?.aborted === true) throw error;
      log.warn({ err: error }, "the Kafka queue cannot be opened yet; trying again");
      await new Promise<void>((resolve) => {
        env.after(backoffMs(attempt, env.random()), resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }
}
