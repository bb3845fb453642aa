/**
 * The columnar form of a block's readings: what the codec encodes and decodes, what merging concatenates and what the
 * forwarder writes out. Rows keep the order of their seqs.
 */
import type { Value } from "../reading.ts";

/** A series of a block: what its readings have in common. */
export interface Series {
  readonly name: string;
  readonly unit: string | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** True where the agent's clock gave the times (they may be corrected); false where the sensor did. */
  readonly stamped: boolean;
}

/** Readings in columns; row i is the reading with seq first + i. */
export interface Columns {
  /** Number of rows. */
  readonly count: number;
  readonly series: readonly Series[];
  /** Per row, the index into `series`; length ≥ count. */
  readonly rowSeries: Uint16Array;
  /** Per row, µs since 1970, a safe integer; length ≥ count. */
  readonly timesUs: Float64Array;
  /** Per row, the value. */
  readonly values: readonly Value[];
}
