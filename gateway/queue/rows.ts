/** The rows of a block as every queue tells them: each with its name, and with its time set right. */
import type { Columns, Series } from "../../shared/block/columns.ts";
import { Fault } from "../../shared/errors.ts";
import { timeUsMax, timeUsMin } from "../../shared/limits.ts";
import type { Clock, ClockQuality } from "../../shared/protocol/messages.ts";
import type { Value } from "../../shared/reading.ts";

export interface Row {
  seq: number;
  /** Index of the series in the block. */
  index: number;
  series: Series;
  value: Value;
  /** µs since 1970. */
  timeUs: number;
  clock: ClockQuality;
}

/**
 * Reads the rows of a block.
 * @returns a function from a seq to its row, which is the same object each time: whoever keeps one copies it. It throws
 * Fault `bad-input` where a time or number is outside of what a reading can hold
 */
export function rowReader(block: { first: number; columns: Columns; clock: Clock }): (seq: number) => Row {
  const { first, columns, clock } = block;
  const { count, rowSeries, timesUs, values } = columns;
  const row: Row = { seq: 0, index: 0, series: columns.series[0] as Series, value: 0, timeUs: 0, clock: clock.quality };
  return (seq) => {
    const at = seq - first;
    if (!(at >= 0 && at < count)) throw new Error(`seq ${seq} is not in the block at ${first}`);
    const index = rowSeries[at] as number;
    const series = columns.series[index] as Series;
    const given = timesUs[at] as number;
    // The clock's offset belongs to times that the agent stamped. A sum that no reading could have is no correction.
    const shifted = series.stamped ? given + clock.offsetUs : given;
    const timeUs = isTime(shifted) ? shifted : given;
    if (!isTime(timeUs)) throw unwritable("a time outside 1970 to 2200");
    const value = values[at] as Value;
    if (typeof value === "number" && !Number.isFinite(value)) throw unwritable("a value that is not finite");
    row.seq = seq;
    row.index = index;
    row.series = series;
    row.value = value;
    row.timeUs = timeUs;
    row.clock = timeUs === shifted ? clock.quality : "unsynced";
    return row;
  };
}

/** What the rows of a series share, under the names of FORMAT.md. */
export interface SeriesMembers {
  readonly name: string;
  readonly unit?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly sensorTime?: true;
}

export function seriesMembers({ name, unit, labels, stamped }: Series): SeriesMembers {
  return {
    name,
    ...(unit === undefined ? {} : { unit }),
    ...(labels === undefined ? {} : { labels }),
    ...(stamped ? {} : { sensorTime: true }),
  };
}

/** True for what a reading's time can be. */
export function isTime(timeUs: number): boolean {
  return timeUs >= timeUsMin && timeUs <= timeUsMax && Number.isInteger(timeUs);
}

function unwritable(why: string): Fault {
  return new Fault("bad-input", { what: "a reading cannot be written to the queue", why: `it has ${why}` });
}
