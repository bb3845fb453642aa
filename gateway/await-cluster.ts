/** Waits for what only time and a cluster bring, unless the gateway stops first. */
import type { Env } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";

const lookEveryMs = 200;

/** @throws Fault `closed` (retryable) where the gateway stops */
export async function awaitCluster(env: Env, signal: AbortSignal, isThere: () => boolean): Promise<void> {
  while (!isThere()) {
    if (signal.aborted) throw new Fault("closed", { what: "the gateway stops", retryable: true });
    await new Promise<void>((resolve) => void env.after(lookEveryMs, resolve));
  }
}
