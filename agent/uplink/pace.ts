/**
 * How much may be under way, and how long an answer may take. Links differ by five orders of magnitude, so both are
 * learned: the window opens with every answer and halves on silence (as TCP's does), and the time-out follows the
 * measured answer times (RFC 6298's smoothing). Pure.
 */

export interface Pace {
  /** Batches that may be in flight. */
  readonly window: number;
  /** Smoothed answer time and its deviation, ms; null before the first answer. */
  readonly smoothedMs: number | null;
  readonly deviationMs: number;
  /** Doubles with every silence, back to 1 with an answer. */
  readonly patience: number;
}

/** Shortest and longest time-out of a batch. */
export const timeoutMsMin = 10_000;
export const timeoutMsMax = 600_000;

export const initialPace: Pace = { window: 2, smoothedMs: null, deviationMs: 0, patience: 1 };

/** A batch was answered after `tookMs`. */
export function answered(pace: Pace, tookMs: number, windowMax: number): Pace {
  const smoothed = pace.smoothedMs ?? tookMs;
  return {
    window: Math.min(pace.window + 1, windowMax),
    smoothedMs: smoothed + (tookMs - smoothed) / 8,
    deviationMs: pace.deviationMs + (Math.abs(tookMs - smoothed) - pace.deviationMs) / 4,
    patience: 1,
  };
}

/** A batch was not answered in time. */
export function unanswered(pace: Pace): Pace {
  return { ...pace, window: Math.max(1, Math.floor(pace.window / 2)), patience: Math.min(pace.patience * 2, 64) };
}

export function timeoutMs(pace: Pace): number {
  const learned = pace.smoothedMs === null ? 0 : pace.smoothedMs * 2 + 4 * pace.deviationMs;
  return Math.min(timeoutMsMax, Math.max(timeoutMsMin, learned) * pace.patience);
}
