/** The rate of a total over the last minute, for status: steady enough to read, young enough to trust. */
import type { Env, Timer } from "./env.ts";

const sampleMs = 5_000;
const samplesKept = 13;

export interface Rate {
  /** Events a second over the last minute, or since the start where that is shorter. */
  perSecond(): number;
  stop(): void;
}

/** Watches a total that only grows. */
export function watchRate(env: Env, total: () => number): Rate {
  const samples = [{ atMs: env.monoMs(), value: total() }];
  let timer: Timer;
  const sample = (): void => {
    samples.push({ atMs: env.monoMs(), value: total() });
    if (samples.length > samplesKept) samples.shift();
    timer = env.after(sampleMs, sample);
  };
  timer = env.after(sampleMs, sample);
  return {
    perSecond() {
      const oldest = samples[0] as { atMs: number; value: number };
      const seconds = (env.monoMs() - oldest.atMs) / 1000;
      return seconds <= 0 ? 0 : (total() - oldest.value) / seconds;
    },
    stop: () => timer.cancel(),
  };
}
