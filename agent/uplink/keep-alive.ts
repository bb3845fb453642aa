/**
 * Keeps a silent link probed and notices a dead one, by the monotonic clock (I7). A batch of 512 kB takes minutes over
 * 2G; as long as the socket takes bytes the link is alive, though the answer to a probe waits behind them.
 */
import type { Env } from "../../shared/env.ts";

export interface KeepAlive {
  /** Bytes arrived, or the socket took some that had waited. */
  alive(): void;
  /** Something was sent. */
  sent(): void;
  stop(): void;
}

/**
 * Starts watching a link.
 * @param intervalMs how long a link may be silent in either direction before it is probed
 * @param probe sends something that the other side answers
 * @param dead is called once, 1.5 to 2 intervals after the last sign of life
 */
export function keepAlive(env: Env, intervalMs: number, probe: () => void, dead: () => void): KeepAlive {
  let aliveAtMs = env.monoMs();
  let sentAtMs = aliveAtMs;
  let probedAtMs = aliveAtMs;
  const isDead = (): boolean => env.monoMs() - aliveAtMs >= intervalMs * 1.5;

  function look(): void {
    if (isDead()) {
      // After a stalled disk the answer may wait in the socket: it is read before the second look (I7).
      timer = env.soon(() => (isDead() ? dead() : look()));
      return;
    }
    // A probe whose answer is still on its way is not repeated: every one costs metered data.
    if (env.monoMs() - Math.max(Math.min(aliveAtMs, sentAtMs), probedAtMs) >= intervalMs) {
      sentAtMs = probedAtMs = env.monoMs();
      probe();
    }
    timer = env.after(intervalMs / 4, look);
  }
  let timer = env.after(intervalMs / 4, look);

  return {
    alive() {
      aliveAtMs = env.monoMs();
    },
    sent() {
      sentAtMs = env.monoMs();
    },
    stop: () => timer.cancel(),
  };
}
