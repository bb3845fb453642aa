/**
 * A reading as a SenML pack (RFC 8428) of one record, resolved: `[{"n":"temperature","u":"Cel","t":1767323045.678901,
 * "v":20.5}]`. RECORDS.md says what of a reading it cannot hold.
 */
import type { Columns, Series } from "../../../../shared/block/columns.ts";
import type { Row } from "../../rows.ts";

/** SenML takes smaller times as relative to now (RFC 8428, 4.5.3): they are left out, which means now. */
const absoluteTimeUsMin = 2 ** 28 * 1_000_000;

/** Writes the rows of one block. */
export function senmlWriter({ series }: Columns): (row: Row) => string {
  const heads = series.map(headOf);
  return ({ index, timeUs, value }) => `${heads[index]}${timeOf(timeUs)}${measured(value)}}]`;
}

function headOf({ name, unit, labels }: Series): string {
  const unitPiece = unit === undefined ? "" : `,"u":${JSON.stringify(unit)}`;
  // Only text, numbers and booleans may be added to a record, so the labels are the text of a JSON object.
  const labelsPiece = labels === undefined ? "" : `,"labels":${JSON.stringify(JSON.stringify(labels))}`;
  return `[{"n":${JSON.stringify(name)}${unitPiece}${labelsPiece}`;
}

function timeOf(timeUs: number): string {
  if (timeUs < absoluteTimeUsMin) return "";
  const seconds = Math.floor(timeUs / 1_000_000);
  return `,"t":${seconds}.${String(timeUs - seconds * 1_000_000).padStart(6, "0")}`;
}

function measured(value: Row["value"]): string {
  if (typeof value === "number") return `,"v":${Object.is(value, -0) ? "-0" : value}`;
  if (typeof value === "string") return `,"vs":${JSON.stringify(value)}`;
  if (typeof value === "boolean") return `,"vb":${value}`;
  return `,"vd":"${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64url")}"`;
}
