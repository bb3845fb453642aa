/** Merges small blocks in the quiet moments: a little at a time, so that an append never waits long. */
import type { Env, Timer } from "../../shared/env.ts";
import type { Store } from "./store.ts";

const pauseMs = 1_000;

/** Starts the housekeeping; the returned function stops it. */
export function startHousekeeping(store: Store, env: Env): () => void {
  let timer: Timer = env.after(pauseMs, work);
  function work(): void {
    // The next turn is set first: one that throws for want of room must not be the last one.
    timer = env.after(pauseMs, work);
    if (!store.maintain()) return;
    timer.cancel();
    timer = env.soon(work);
  }
  return () => timer.cancel();
}
