/** The rows of a block sorted by series, without moving them. */

export interface RowsBySeries {
  /** Where each series' rows start in `rows`; one more entry ends the last. */
  readonly starts: Int32Array;
  /** Row numbers, by series, ascending inside a series. */
  readonly rows: Int32Array;
}

/** Sorts the rows in one counting pass. */
export function groupRows(rowSeries: Uint16Array, count: number, seriesCount: number): RowsBySeries {
  const starts = new Int32Array(seriesCount + 1);
  const rows = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const at = (rowSeries[row] as number) + 1;
    starts[at] = (starts[at] as number) + 1;
  }
  for (let series = 0; series < seriesCount; series++) {
    starts[series + 1] = (starts[series + 1] as number) + (starts[series] as number);
  }
  const next = starts.slice();
  for (let row = 0; row < count; row++) {
    const series = rowSeries[row] as number;
    const at = next[series] as number;
    rows[at] = row;
    next[series] = at + 1;
  }
  return { starts, rows };
}
