/**
 * Makes readings of lines. A line becomes a text reading named after the input, with the file as label. With parsing,
 * a line becomes one reading for each field instead; what does not parse stays a text, so that no line gets lost.
 */
import { isUtf8 } from "node:buffer";
import { Fault } from "../../../shared/errors.ts";
import type { Reading, Value } from "../../../shared/reading.ts";
import { checkText, createHeads, type Head, readingOf } from "../formats/heads.ts";
import { nestingOffset } from "../formats/nesting.ts";
import type { Piece } from "./lines.ts";

/**
 * How lines are parsed: `json` takes the fields of an object, an expression its named groups. Expressions come from the
 * configuration and are trusted not to backtrack without end.
 */
export type LineFormat = "text" | "json" | RegExp;

/** Makes the readings of a piece of a file that is labelled `file`; `nowUs` is the agent's clock. */
export type PieceReader = (piece: Piece, file: string, nowUs: number) => Reading[];

/** Longest line that is given to a regular expression: backtracking grows with the length, at best. */
export const patternBytesMax = 8_192;
/** Most fields that are taken from one line. */
const fieldsMax = 64;
const numeric = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A reader for an input. */
export function createPieceReader(name: string, format: LineFormat): PieceReader {
  const heads = createHeads();

  function fieldReadings(fields: [string, Value][], file: string, nowUs: number): Reading[] | undefined {
    if (fields.length === 0 || fields.length > fieldsMax) return undefined;
    try {
      return fields.map(([key, value]) => {
        const head = heads.of(`${name}.${key}`, undefined, { file });
        checkText(head, value);
        return readingOf(head, nowUs, true, value);
      });
    } catch (error) {
      if (error instanceof Fault) return undefined;
      throw error;
    }
  }

  function headOf({ part, last }: Piece, file: string): Head {
    if (part === 0) return heads.of(name, undefined, { file });
    const labels = { file, part: String(part) };
    return heads.of(name, undefined, last ? { ...labels, last: "true" } : labels);
  }

  return (piece, file, nowUs) => {
    // Bytes that are no UTF-8 are kept as they are; a replacement character could not be undone.
    const value = isUtf8(piece.bytes) ? piece.bytes.toString("utf8") : new Uint8Array(piece.bytes);
    if (format !== "text" && piece.part === 0 && typeof value === "string") {
      const fields = format === "json" ? jsonFields(value) : patternFields(value, format);
      const readings = fields === undefined ? undefined : fieldReadings(fields, file, nowUs);
      if (readings !== undefined) return readings;
    }
    return [readingOf(headOf(piece, file), nowUs, true, value)];
  };
}

/**
 * The fields of a JSON object: numbers, booleans and texts as they are, objects and arrays as their JSON text; null is
 * no value. Undefined where the line is no object, or holds a number that a double cannot.
 */
function jsonFields(line: string): [string, Value][] | undefined {
  if (!line.trimStart().startsWith("{") || nestingOffset(line) !== undefined) return undefined;
  let parsed: object;
  try {
    parsed = JSON.parse(line) as object;
  } catch {
    return undefined;
  }
  const fields: [string, Value][] = [];
  for (const [key, value] of Object.entries(parsed) as [string, unknown][]) {
    if (value === null) continue;
    // Integers beyond 2^53 have lost digits by now; the line as a text has not.
    if (typeof value === "number" && !(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) return undefined;
    if (typeof value === "number" || typeof value === "boolean" || typeof value === "string") fields.push([key, value]);
    else fields.push([key, JSON.stringify(value)]);
  }
  return fields;
}

/** The named groups of an expression, numbers where they look like one that a double holds. */
function patternFields(line: string, pattern: RegExp): [string, Value][] | undefined {
  if (line.length > patternBytesMax) return undefined;
  // An expression with the flag g or y would go on from where it matched in the line before.
  pattern.lastIndex = 0;
  const groups = pattern.exec(line)?.groups;
  if (groups === undefined) return undefined;
  const fields: [string, Value][] = [];
  for (const [key, text] of Object.entries(groups) as [string, string | undefined][]) {
    if (text === undefined) continue;
    const number = numeric.test(text) ? Number(text) : Number.NaN;
    fields.push([key, Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : text]);
  }
  return fields;
}
