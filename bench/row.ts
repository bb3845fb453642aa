/** One line of the bench's table, and how it is judged. */

export interface BenchRow {
  readonly id: string;
  readonly value: number;
  readonly unit: string;
  /** What the value has to reach on a machine like the one it was set on; null where nothing was promised. */
  readonly target: number | null;
  /** The same measure of the bare engine, in the same run. */
  readonly reference: number | null;
  readonly ratio: number | null;
  /** The ratio to the reference that a slower machine must keep; for sizes and times the most it may be. */
  readonly leastRatio: number | null;
  readonly ok: boolean | null;
  /** What else was seen: percentiles, counts, conditions. */
  readonly note?: string;
}

/** What a row is told: where to find data, how long to take. */
export interface BenchContext {
  readonly dataFolder: string | undefined;
  /** A quick run that shows that every row works; its figures mean little. */
  readonly smoke: boolean;
  /** A folder that is removed at the end. */
  readonly folder: string;
  /** Where progress goes. */
  say(text: string): void;
  /** Called when all rows are measured, whatever came of them. */
  atEnd(end: () => Promise<void>): void;
}

export type Better = "more" | "less";

/** Makes a row. `better` says which way is good. */
export function row(
  id: string,
  unit: string,
  better: Better,
  figures: { value: number; target?: number; reference?: number; leastRatio?: number; note?: string },
): BenchRow {
  const { value, target = null, reference = null, leastRatio = null, note } = figures;
  const reached = (): boolean => (better === "more" ? value >= (target as number) : value <= (target as number));
  return {
    id,
    value,
    unit,
    target,
    reference,
    ratio: reference === null ? null : value / reference,
    leastRatio,
    ok: target === null ? null : reached(),
    ...(note === undefined ? {} : { note }),
  };
}
