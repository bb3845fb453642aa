/** The kinds of option values that are not about places: durations, sizes, counts, flags, choices, names, texts. */
import { isIdentifier } from "../reading.ts";
import type { Kind, Parsed } from "./table.ts";

const durationUnits: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Decimal units by the letter alone, binary ones with an i, as in IEC 80000-13. */
const sizeUnits: Record<string, number> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const durationUnitsText = "ms, s, m (minutes), h or d";
const sizeUnitsText = "B, kB, MB, GB, TB (decimal) or KiB, MiB, GiB, TiB (binary)";

interface Bounds {
  /** Least and largest value, written as in the file. */
  readonly min: string;
  readonly max: string;
}

/** A time span such as `200ms` or `7d`; its value is a whole number of ms. */
export function duration(bounds: Bounds): Kind<number> {
  return measure("duration", durationUnits, durationUnitsText, "5s", bounds);
}

/** An amount of bytes such as `512MiB`; its value is a whole number of bytes. */
export function size(bounds: Bounds): Kind<number> {
  return measure("size", sizeUnits, sizeUnitsText, "64MB", bounds);
}

function measure(
  type: string,
  units: Record<string, number>,
  unitsText: string,
  example: string,
  bounds: Bounds,
): Kind<number> {
  const names = Object.keys(units);
  const read = (text: string): Parsed<number> => {
    const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*(\p{L}*)$/u.exec(text);
    if (match === null) {
      return { why: `it is not a ${type}`, remedy: `write a number and one of ${unitsText}, for instance ${example}` };
    }
    const [, amount = "", unit = ""] = match;
    if (unit === "") {
      return {
        why: "it has no unit",
        remedy: `write one of ${unitsText} behind the number, for instance ${amount}${names[1]}`,
      };
    }
    const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
    if (factor === undefined) {
      const meant = names.find((name) => name.toLowerCase() === unit.toLowerCase());
      const hint = meant === undefined ? "" : `; perhaps ${amount}${meant}`;
      return { why: `"${unit}" is not a unit of a ${type}`, remedy: `the units are ${unitsText}${hint}` };
    }
    return { value: Math.round(Number(amount) * factor) };
  };
  const least = bound(read, bounds.min);
  const largest = bound(read, bounds.max);
  return {
    type,
    schema: { type: "string", pattern: `^[0-9]{1,15}([.][0-9]{1,6})?\\s*(${names.join("|")})$` },
    parse(text) {
      const parsed = read(text);
      return "value" in parsed ? within(parsed.value, least, largest, bounds) : parsed;
    },
  };
}

/** Reads a bound of the table itself; a wrong one is a defect that shows at import. */
function bound(read: (text: string) => Parsed<number>, text: string): number {
  const parsed = read(text);
  if (!("value" in parsed)) throw new Error(`the option table has a bad bound ${text}: ${parsed.why}`);
  return parsed.value;
}

function within(value: number, least: number, largest: number, bounds: Bounds): Parsed<number> {
  const range = `write a value from ${bounds.min} to ${bounds.max}`;
  if (value < least) return { why: `the least allowed is ${bounds.min}`, remedy: range };
  if (value > largest) return { why: `the largest allowed is ${bounds.max}`, remedy: range };
  return { value };
}

/** A whole number. */
export function count(min: number, max: number): Kind<number> {
  const bounds = { min: String(min), max: String(max) };
  return {
    type: "whole number",
    schema: { type: "integer", minimum: min, maximum: max },
    plain: true,
    parse(text) {
      if (/^\d{1,15}$/.test(text)) return within(Number(text), min, max, bounds);
      return { why: "it is not a whole number", remedy: `write a number from ${min} to ${max}, without quotes` };
    },
  };
}

/** `true` or `false`. */
export const flag: Kind<boolean> = {
  type: "true or false",
  schema: { type: "boolean" },
  plain: true,
  parse(text) {
    if (text === "true" || text === "false") return { value: text === "true" };
    return { why: "it is neither true nor false", remedy: "write true or false, without quotes" };
  },
};

/** One of some words. */
export function choice<const T extends string>(words: readonly T[]): Kind<T> {
  return {
    type: words.map((word) => `\`${word}\``).join(", "),
    schema: { enum: [...words] },
    parse(text) {
      const word = words.find((candidate) => candidate === text);
      return word === undefined
        ? { why: "it is not one of the words that can stand here", remedy: `write one of ${words.join(", ")}` }
        : { value: word };
    },
  };
}

/** The name of an agent, a stream, an input…: it becomes part of topics and file names. */
export const identifier: Kind<string> = {
  type: "name",
  schema: { type: "string", pattern: "^[a-z0-9][a-z0-9_-]{0,63}$" },
  parse: (text) =>
    isIdentifier(text)
      ? { value: text }
      : {
          why: 'a name has 1 to 64 characters of a-z, 0-9, "-" and "_" and starts with a letter or a digit',
          remedy: "choose such a name",
        },
};

/** A group id: 128 bits. */
export const groupId: Kind<string> = {
  type: "32 hexadecimal digits",
  schema: { type: "string", pattern: "^[0-9a-f]{32}$" },
  parse: (text) =>
    /^[0-9a-f]{32}$/.test(text)
      ? { value: text }
      : { why: "a group id has 32 digits of 0-9 and a-f", remedy: "copy it from the status of a gateway of the group" },
};

/** Any text of a bounded length. */
export function text(charactersMax: number): Kind<string> {
  return {
    type: "text",
    schema: { type: "string", minLength: 1, maxLength: charactersMax },
    parse(given) {
      if (given.length > 0 && given.length <= charactersMax) return { value: given };
      return { why: `it has ${given.length} characters`, remedy: `write 1 to ${charactersMax} characters` };
    },
  };
}

/** A regular expression; its value is the source, known to compile. */
export const pattern: Kind<string> = {
  type: "regular expression",
  schema: { type: "string", format: "regex", minLength: 1, maxLength: 1_000 },
  parse(given) {
    if (given.length === 0 || given.length > 1_000) {
      return { why: `it has ${given.length} characters`, remedy: "write 1 to 1000 characters" };
    }
    try {
      return { value: new RegExp(given, "u").source };
    } catch (error) {
      return { why: (error as Error).message, remedy: "write a JavaScript regular expression, in single quotes" };
    }
  },
};
