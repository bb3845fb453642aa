/** Readings to columns and back, and columns to other columns: all that happens to readings between two encodings. */
import type { Reading, Value } from "../reading.ts";
import type { Columns, Series } from "./columns.ts";
import { createInterner } from "./intern.ts";

/**
 * The readings `from` up to, not including, `to` in columns. They are valid already (readingFault).
 * @throws Fault `too-large` beyond 65,536 series
 */
export function gatherColumns(readings: readonly Reading[], from = 0, to = readings.length): Columns {
  const count = to - from;
  const interner = createInterner();
  const rowSeries = new Uint16Array(count);
  const timesUs = new Float64Array(count);
  const values = new Array<Value>(count);
  for (let row = 0; row < count; row++) {
    const reading = readings[from + row] as Reading;
    rowSeries[row] = interner.indexOf(reading);
    timesUs[row] = reading.timeUs;
    values[row] = reading.value;
  }
  return { count, series: interner.series, rowSeries, timesUs, values };
}

/**
 * One set of columns with the rows of all parts, in their order; equal series become one.
 * @throws Fault `too-large` beyond 65,536 series
 */
export function mergeColumns(parts: readonly Columns[]): Columns {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const interner = createInterner();
  const rowSeries = new Uint16Array(count);
  const timesUs = new Float64Array(count);
  const values = new Array<Value>(count);
  let at = 0;
  for (const part of parts) {
    const indexes = part.series.map((series) => interner.indexOf(series));
    for (let row = 0; row < part.count; row++, at++) {
      rowSeries[at] = indexes[part.rowSeries[row] as number] as number;
      timesUs[at] = part.timesUs[row] as number;
      values[at] = part.values[row] as Value;
    }
  }
  return { count, series: interner.series, rowSeries, timesUs, values };
}

/** The rows `fromRow` up to, not including, `toRow`, with only the series that they use, in order of appearance. */
export function sliceColumns(columns: Columns, fromRow: number, toRow: number): Columns {
  const indexes = new Int32Array(columns.series.length).fill(-1);
  const series: Series[] = [];
  const rowSeries = new Uint16Array(toRow - fromRow);
  for (let row = fromRow; row < toRow; row++) {
    const old = columns.rowSeries[row] as number;
    if (indexes[old] === -1) indexes[old] = series.push(columns.series[old] as Series) - 1;
    rowSeries[row - fromRow] = indexes[old] as number;
  }
  return {
    count: toRow - fromRow,
    series,
    rowSeries,
    timesUs: columns.timesUs.slice(fromRow, toRow),
    values: columns.values.slice(fromRow, toRow),
  };
}

/** The reading in a row. */
export function readingAt(columns: Columns, row: number): Reading {
  const { name, unit, labels, stamped } = columns.series[columns.rowSeries[row] as number] as Series;
  const reading: Reading = { name, timeUs: columns.timesUs[row] as number, value: columns.values[row] as Value };
  if (unit !== undefined) reading.unit = unit;
  if (labels !== undefined) reading.labels = labels;
  if (stamped) reading.stamped = true;
  return reading;
}
