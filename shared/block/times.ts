/**
 * The times of all rows. A row's time is foretold from the row before it or from its own series, whichever suits the
 * series better, and the difference is coded: regular times cost next to nothing, whichever way series interleave.
 */
import { timeUsMax } from "../limits.ts";
import { damaged } from "./damaged.ts";
import { baseModel, bitLength, timeMethodTree, timeModel, timeUnitTree } from "./model.ts";
import type { RangeDecoder } from "./range-decoder.ts";
import type { RangeEncoder } from "./range-encoder.ts";
import type { RowsBySeries } from "./rows.ts";

/** As far behind the row before as last time: for series that are sampled together. */
const byRow = 0;
/** As far behind the series' row before as last time: for series with clocks of their own. */
const bySeries = 1;
/** On a line through the series: jitter then costs its own entropy, where differences would double its variance. */
const byLine = 2;

/** Clocks tick in seconds, ms or µs. */
const unitsUs = [1_000_000, 1000, 1] as const;
/** A line's parameters cost about 12 bytes, which few rows cannot win back. */
const lineRowsMin = 24;

/** What foretells times, the same in encoder and decoder; times are in units. */
interface Forecast {
  readonly methods: Uint8Array;
  readonly anchors: Float64Array;
  readonly steps: Float64Array;
  foretell(series: number): number;
  saw(series: number, time: number): void;
}

function createForecast(seriesCount: number): Forecast {
  const methods = new Uint8Array(seriesCount);
  const anchors = new Float64Array(seriesCount);
  const steps = new Float64Array(seriesCount);
  const seen = new Int32Array(seriesCount);
  const rowSteps = new Float64Array(seriesCount);
  const ownSteps = new Float64Array(seriesCount);
  const own = new Float64Array(seriesCount);
  let previous = 0;
  let row = 0;
  return {
    methods,
    anchors,
    steps,
    foretell(series) {
      if (seen[series] === 0) return previous;
      const method = methods[series];
      let guess: number;
      if (method === byRow) guess = previous + (rowSteps[series] as number);
      else if (method === bySeries) guess = (own[series] as number) + (ownSteps[series] as number);
      else guess = (anchors[series] as number) + Math.floor((seen[series] as number) * (steps[series] as number));
      // Inside the bounds of time every difference is exact; a wild guess beyond them would not be.
      return guess < 0 ? 0 : Math.min(guess, timeUsMax);
    },
    saw(series, time) {
      const index = seen[series] as number;
      rowSteps[series] = row === 0 ? 0 : time - previous;
      if (index === 0) anchors[series] = time + (anchors[series] as number);
      else ownSteps[series] = time - (own[series] as number);
      own[series] = time;
      seen[series] = index + 1;
      previous = time;
      row++;
    },
  };
}

/** Writes the times of all rows. */
export function encodeTimes(
  coder: RangeEncoder,
  timesUs: Float64Array,
  rowSeries: Uint16Array,
  count: number,
  grouped: RowsBySeries,
): void {
  const seriesCount = grouped.starts.length - 1;
  const unit = unitOf(timesUs, count);
  coder.tree(timeUnitTree, 2, unit);
  const unitUs = unitsUs[unit] as number;
  const times = new Float64Array(count);
  for (let row = 0; row < count; row++) times[row] = (timesUs[row] as number) / unitUs;
  const forecast = createForecast(seriesCount);
  const residuals = new Float64Array(count);
  const allByRow = chooseMethods(coder, forecast, times, residuals, rowSeries, grouped);
  if (!allByRow) takeResiduals(forecast, times, residuals, rowSeries);
  const memories = new Int32Array(seriesCount);
  for (let row = 0; row < count; row++) {
    const series = rowSeries[row] as number;
    memories[series] = coder.integer(timeModel, memories[series] as number, residuals[row] as number);
  }
}

/**
 * Reads what encodeTimes wrote.
 * @throws Fault `damaged` where a time is outside 1970 to 2200
 */
export function decodeTimes(
  coder: RangeDecoder,
  rowSeries: Uint16Array,
  count: number,
  seriesCount: number,
): Float64Array {
  const unitUs = unitsUs[coder.tree(timeUnitTree, 2)];
  if (unitUs === undefined) throw damaged("the unit of time is not known");
  const forecast = createForecast(seriesCount);
  for (let series = 0; series < seriesCount; series++) readMethod(coder, forecast, series);
  const memories = new Int32Array(seriesCount);
  const timesUs = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    const series = rowSeries[row] as number;
    const time = forecast.foretell(series) + coder.integer(timeModel, memories[series] as number);
    memories[series] = coder.memory;
    const timeUs = time * unitUs;
    // Written so that NaN fails as well.
    if (!(timeUs >= 0 && timeUs <= timeUsMax && Number.isInteger(timeUs))) throw damaged("a time is out of bounds");
    timesUs[row] = timeUs;
    forecast.saw(series, time);
  }
  return timesUs;
}

function unitOf(timesUs: Float64Array, count: number): number {
  let unit = 0;
  for (let row = 0; row < count && unit < 2; ) {
    const ticks = (timesUs[row] as number) / (unitsUs[unit] as number);
    if (Math.floor(ticks) === ticks) row++;
    else {
      unit++;
      row = 0;
    }
  }
  return unit;
}

/** Fills `residuals` with what each time differs from its forecast by. */
function takeResiduals(forecast: Forecast, times: Float64Array, residuals: Float64Array, rowSeries: Uint16Array): void {
  for (let row = 0; row < times.length; row++) {
    const series = rowSeries[row] as number;
    const time = times[row] as number;
    residuals[row] = time - forecast.foretell(series);
    forecast.saw(series, time);
  }
}

/**
 * Chooses the cheapest method of every series by the bits of its residuals, and writes it with its parameters.
 * Returns true where all go by row: then `residuals` holds theirs.
 */
function chooseMethods(
  coder: RangeEncoder,
  forecast: Forecast,
  times: Float64Array,
  residuals: Float64Array,
  rowSeries: Uint16Array,
  { starts, rows }: RowsBySeries,
): boolean {
  const seriesCount = starts.length - 1;
  const rowCosts = costsOf(byRow, times, residuals, rowSeries, seriesCount);
  // With one series, or with a cycle that is foretold already, the second method cannot win.
  const isFlat = seriesCount === 1 || rowCosts.every((cost, s) => cost <= 64 + size(s));
  const ownCosts = isFlat ? rowCosts : costsOf(bySeries, times, new Float64Array(times.length), rowSeries, seriesCount);
  for (let series = 0; series < seriesCount; series++) {
    let cost = rowCosts[series] as number;
    if ((ownCosts[series] as number) < cost) {
      cost = ownCosts[series] as number;
      forecast.methods[series] = bySeries;
    }
    if (size(series) >= lineRowsMin && cost > 4 * size(series) + 100) {
      const line = fitLine(times, rows, starts[series] as number, starts[series + 1] as number);
      if (line.cost + 100 < cost && Math.abs(line.shift) < timeUsMax) {
        forecast.methods[series] = byLine;
        forecast.anchors[series] = line.shift;
        forecast.steps[series] = line.step;
      }
    }
    writeMethod(coder, forecast, series);
  }
  return forecast.methods.every((method) => method === byRow);

  function size(series: number): number {
    return (starts[series + 1] as number) - (starts[series] as number);
  }
}

function writeMethod(coder: RangeEncoder, { methods, anchors, steps }: Forecast, series: number): void {
  const method = methods[series] as number;
  coder.tree(timeMethodTree, 2, method);
  if (method !== byLine) return;
  coder.integer(baseModel, 0, anchors[series] as number);
  floatView.setFloat64(0, steps[series] as number);
  coder.direct(floatView.getUint32(0), 32);
  coder.direct(floatView.getUint32(4), 32);
}

function readMethod(coder: RangeDecoder, { methods, anchors, steps }: Forecast, series: number): void {
  const method = coder.tree(timeMethodTree, 2);
  if (method > byLine) throw damaged("the method of a time column is not known");
  methods[series] = method;
  if (method !== byLine) return;
  anchors[series] = coder.integer(baseModel, 0);
  floatView.setUint32(0, coder.direct(32));
  floatView.setUint32(4, coder.direct(32));
  steps[series] = floatView.getFloat64(0);
}

const floatView = new DataView(new ArrayBuffer(8));

function costsOf(
  method: number,
  times: Float64Array,
  residuals: Float64Array,
  rowSeries: Uint16Array,
  seriesCount: number,
): Float64Array {
  const forecast = createForecast(seriesCount);
  forecast.methods.fill(method);
  takeResiduals(forecast, times, residuals, rowSeries);
  const costs = new Float64Array(seriesCount);
  for (let row = 0; row < times.length; row++) {
    const series = rowSeries[row] as number;
    costs[series] = (costs[series] as number) + bitLength(Math.abs(residuals[row] as number));
  }
  return costs;
}

/** The line of least squares through rows `from` up to `to`, relative to the first of them. */
function fitLine(
  times: Float64Array,
  rows: Int32Array,
  from: number,
  to: number,
): { shift: number; step: number; cost: number } {
  const count = to - from;
  const first = times[rows[from] as number] as number;
  const middle = (count - 1) / 2;
  let sum = 0;
  let moment = 0;
  for (let i = 0; i < count; i++) {
    const elapsed = (times[rows[from + i] as number] as number) - first;
    sum += elapsed;
    moment += (i - middle) * elapsed;
  }
  const step = (12 * moment) / (count * (count * count - 1));
  const shift = Math.round(sum / count - step * middle);
  let cost = 0;
  for (let i = 0; i < count; i++) {
    const elapsed = (times[rows[from + i] as number] as number) - first;
    cost += bitLength(Math.abs(elapsed - shift - Math.floor(i * step)));
  }
  return { shift, step, cost };
}
