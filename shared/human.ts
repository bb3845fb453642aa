/** Numbers as people read them. Exact values belong in JSON; these are rounded to what the eye needs. */

const sizeSteps: readonly [number, string][] = [
  [1e12, "TB"],
  [1e9, "GB"],
  [1e6, "MB"],
  [1e3, "kB"],
];

const durationSteps: readonly [number, string, number, string][] = [
  [86_400_000, "d", 3_600_000, "h"],
  [3_600_000, "h", 60_000, "min"],
  [60_000, "min", 1_000, "s"],
];

/** Bytes in decimal units: 1536 is `1.5 kB`. */
export function sizeText(sizeBytes: number): string {
  for (const [step, unit] of sizeSteps) {
    // What would round up to the next unit belongs there: 999,999 bytes are 1.0 MB, not 1000.0 kB.
    if (sizeBytes >= step * 0.99995) return `${(sizeBytes / step).toFixed(1)} ${unit}`;
  }
  return `${Math.round(sizeBytes)} B`;
}

/** A time span by its two leading units: `250 ms`, `1.5 s`, `3 min 20 s`, `2 d 4 h`. */
export function durationText(timeMs: number): string {
  if (!Number.isFinite(timeMs)) return "unknown";
  if (timeMs < 999.5) return `${Math.round(timeMs)} ms`;
  if (timeMs < 59_950) return `${(timeMs / 1000).toFixed(1)} s`;
  for (const [step, unit, minorStep, minorUnit] of durationSteps) {
    const minors = Math.round(timeMs / minorStep);
    if (minors * minorStep < step) continue;
    const perMajor = step / minorStep;
    return `${Math.floor(minors / perMajor)} ${unit} ${minors % perMajor} ${minorUnit}`;
  }
  return `${Math.round(timeMs / 1000)} s`;
}

/** A whole number with separators: `1,234,567`. */
export function countText(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count with its noun: `1 reading`, `2,000 readings`. */
export function countedText(count: number, noun: string): string {
  return `${countText(count)} ${noun}${Math.round(count) === 1 ? "" : "s"}`;
}

/** Events a second: `0.4/s`, `12/s`, `1,234/s`. */
export function rateText(perSecond: number): string {
  return `${perSecond < 10 ? perSecond.toFixed(1) : countText(perSecond)}/s`;
}
