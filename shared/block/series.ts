/** The dictionary of a block: its shape goes among the numbers, its strings into the text. */
import { labelsMax } from "../limits.ts";
import type { Series } from "./columns.ts";
import { damaged } from "./damaged.ts";
import { hasUnit, headModel, isStamped } from "./model.ts";
import type { RangeDecoder } from "./range-decoder.ts";
import type { RangeEncoder } from "./range-encoder.ts";

/** Writes a series; labels in the order of their keys, so that equal series are equal bytes. */
export function encodeSeries(coder: RangeEncoder, series: Series, texts: string[]): void {
  coder.bit(isStamped, series.stamped ? 1 : 0);
  coder.bit(hasUnit, series.unit === undefined ? 0 : 1);
  texts.push(series.name);
  if (series.unit !== undefined) texts.push(series.unit);
  let labelCount = 0;
  for (const key in series.labels) {
    texts.push(key, series.labels[key] as string);
    labelCount++;
  }
  coder.integer(headModel, 0, labelCount);
}

/** What is known of a series before its strings are. */
export interface SeriesShape {
  readonly stamped: boolean;
  readonly hasUnit: boolean;
  readonly labelCount: number;
}

/**
 * Reads the shape of a series.
 * @throws Fault `damaged`
 */
export function decodeShape(coder: RangeDecoder): SeriesShape {
  const stamped = coder.bit(isStamped) === 1;
  const unit = coder.bit(hasUnit) === 1;
  const labelCount = coder.integer(headModel, 0);
  if (labelCount < 0 || labelCount > labelsMax) throw damaged("a series has too many labels");
  return { stamped, hasUnit: unit, labelCount };
}

/** How many strings a series of this shape has. */
export function stringsOf(shape: SeriesShape): number {
  return 1 + (shape.hasUnit ? 1 : 0) + 2 * shape.labelCount;
}

/** The series of a shape, with its strings from `next`. */
export function nameSeries(shape: SeriesShape, next: () => string): Series {
  const name = next();
  const unit = shape.hasUnit ? next() : undefined;
  if (shape.labelCount === 0) return { name, unit, labels: undefined, stamped: shape.stamped };
  const labels: [string, string][] = [];
  for (let i = 0; i < shape.labelCount; i++) labels.push([next(), next()]);
  // fromEntries defines properties, so that a label called __proto__ stays a label.
  return { name, unit, labels: Object.fromEntries(labels), stamped: shape.stamped };
}
