/**
 * Influx line protocol: `measurement[,tag=value]… field=value[,field=value]… [time]`, one point a line.
 *
 * A point becomes one reading for each field. Its name is `measurement.field`, its labels are the tags. Times are ns
 * unless the precision says otherwise; what lies below a µs is cut off. A number without a suffix is a double, as the
 * protocol says; with `i` or `u` it is an integer, and beyond 2^53 it is refused. A text may span lines.
 *
 * The parser walks over the string by character codes, since a substring and a Map lookup for each part would cost more
 * than all else: heads are found by their text, and fields are guessed from the last line of that series.
 */
import { Fault } from "../../../shared/errors.ts";
import type { Reading, Value } from "../../../shared/reading.ts";
import { badAt, badReading, bodyReadingsMax, placeOf, tooMany } from "./fault.ts";
import { checkText, type Head, type Heads, owned, readingOf } from "./heads.ts";
import { type LineHead, readLineHead, unescaped, unescapedIndex } from "./line-head.ts";
import { isTimeUs } from "./time.ts";

export type Precision = "ns" | "us" | "ms" | "s";

/** Parses a body; `nowUs` is the agent's clock. */
export type LineParser = (text: string, precision: Precision, nowUs: number) => Reading[];

/** A field as it was last met at its place in a line: its text up to and with the equals sign. */
interface Field {
  readonly key: string;
  readonly head: Head;
}

interface Series extends LineHead {
  readonly fields: Field[];
}

/** Series that are found by their text, and fields of each; beyond, the cache starts anew (I8). */
const seriesMax = 4_096;
const fieldsMax = 256;
const headLengthMax = 4_096;

const newline = 10;
const carriageReturn = 13;
const blank = 32;
const quote = 34;
const comma = 44;
const backslash = 92;

const powers = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);
const usPer = { ns: 0, us: 1, ms: 1_000, s: 1_000_000 };
const booleans = new Map<string, boolean>();
for (const word of ["t", "T", "true", "True", "TRUE"]) booleans.set(word, true);
for (const word of ["f", "F", "false", "False", "FALSE"]) booleans.set(word, false);
const numberPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const integerPattern = /^([+-]?\d+)([iu])$/;

/** A parser with a cache of the series it has met. */
export function createLineParser(heads: Heads): LineParser {
  const cache = new Map<string, Series>();
  // The parser's state: registers of the one body that is being parsed, since results in objects would be garbage.
  let text = "";
  let at = 0;

  function series(head: string): Series {
    const found = cache.get(head);
    if (found !== undefined) return found;
    if (head === "" || head.includes("\n")) throw badReading("the line has no field");
    const made: Series = { ...readLineHead(head), fields: [] };
    if (cache.size >= seriesMax) cache.clear();
    if (head.length <= headLengthMax) cache.set(owned(head), made);
    return made;
  }

  /** The head of the field at `at`, and steps behind its equals sign. */
  function fieldHead(of: Series, place: number): Head {
    const guess = of.fields[place];
    if (guess !== undefined && text.startsWith(guess.key, at)) {
      at += guess.key.length;
      return guess.head;
    }
    const equals = unescapedIndex(text, "=", at);
    const key = text.slice(at, equals + 1);
    if (equals <= at || /(?<!\\)[ ,\n]/.test(key)) throw badReading('a field "key=value" is expected here');
    const head = heads.of(`${of.measurement}.${unescaped(key.slice(0, -1))}`, undefined, of.tags);
    if (place < fieldsMax) of.fields[place] = { key: owned(key), head };
    at = equals + 1;
    return head;
  }

  /** The value at `at`, and steps behind it. */
  function value(head: Head): Value {
    if (text.charCodeAt(at) === quote) return textValue(head);
    const start = at;
    let code = text.charCodeAt(at);
    const negative = code === 45;
    if (negative) code = text.charCodeAt((at += 1));
    // Up to 15 digits are exact in a double, and so is their quotient with a power of ten up to 10^22 (Clinger 1990).
    let mantissa = 0;
    let digits = 0;
    let decimals = -1;
    for (; digits <= 15; code = text.charCodeAt((at += 1))) {
      if (code >= 48 && code <= 57) {
        mantissa = mantissa * 10 + (code - 48);
        digits += 1;
        if (decimals >= 0) decimals += 1;
      } else if (code === 46 && decimals < 0) {
        decimals = 0;
      } else {
        break;
      }
    }
    if (digits > 0 && digits <= 15 && isEnd(code)) {
      const size = decimals > 0 ? mantissa / (powers[decimals] as number) : mantissa;
      return negative ? -size : size;
    }
    while (!isEnd(text.charCodeAt(at))) at += 1;
    const token = text.slice(start, at);
    at = start;
    const other = rareValue(token);
    at = start + token.length;
    return other;
  }

  function textValue(head: Head): string {
    const start = at + 1;
    let end = text.indexOf('"', start);
    let escaped = false;
    while (end !== -1 && isEscaped(end, start)) {
      escaped = true;
      end = text.indexOf('"', end + 1);
    }
    if (end === -1) throw badReading("a text has no closing quote");
    const raw = text.slice(start, end);
    const value = escaped || raw.includes("\\\\") ? raw.replace(/\\(["\\])/g, "$1") : raw;
    checkText(head, value);
    at = end + 1;
    return value;
  }

  function isEscaped(quoteAt: number, start: number): boolean {
    let before = quoteAt - 1;
    while (before >= start && text.charCodeAt(before) === backslash) before -= 1;
    return (quoteAt - before) % 2 === 0;
  }

  /** The time at `at`, and steps behind it. */
  function time(precision: Precision): number {
    let end = at;
    while (!isEnd(text.charCodeAt(end))) end += 1;
    // The last three digits of ns lie below a µs; without them 16 digits remain, which a double holds exactly.
    const stop = precision === "ns" ? Math.max(at, end - 3) : end;
    let whole = 0;
    for (let digit = at; digit < end; digit += 1) {
      const code = text.charCodeAt(digit);
      if (code === 45 && digit === at && end > at + 1) whole = Number.NaN;
      else if (code < 48 || code > 57) throw badReading("the time is not an integer");
      else if (digit < stop) whole = whole * 10 + (code - 48);
    }
    const timeUs = precision === "ns" ? whole : whole * usPer[precision];
    if (!isTimeUs(timeUs)) throw badReading(`the time, read as ${precision}, is outside 1970 to 2200`);
    at = end;
    return timeUs;
  }

  function skipBlanks(): number {
    let code = text.charCodeAt(at);
    while (code === blank || code === carriageReturn) code = text.charCodeAt((at += 1));
    return code;
  }

  /** Reads the point that starts at `at` and steps behind its newline. */
  function point(readings: Reading[], precision: Precision, nowUs: number): void {
    const space = unescapedIndex(text, " ", at);
    const of = series(space === -1 ? "" : text.slice(at, space));
    at = space + 1;
    skipBlanks();
    const first = readings.length;
    for (let place = 0; ; place += 1) {
      const field = fieldHead(of, place);
      readings.push(readingOf(field, nowUs, true, value(field)));
      if (text.charCodeAt(at) !== comma) break;
      at += 1;
    }
    let code = text.charCodeAt(at);
    if (!isEnd(code)) throw badReading('"," or a blank is expected here');
    code = skipBlanks();
    if (code !== newline && at < text.length) {
      const timeUs = time(precision);
      for (let index = first; index < readings.length; index += 1) {
        const reading = readings[index] as Reading;
        reading.timeUs = timeUs;
        reading.stamped = false;
      }
      if (skipBlanks() !== newline && at < text.length) throw badReading("the line is over before this");
    }
    at += 1;
    if (readings.length > bodyReadingsMax) throw tooMany();
  }

  return (body, precision, nowUs) => {
    const readings: Reading[] = [];
    text = body;
    at = 0;
    try {
      for (let code = skipBlanks(); at < text.length; code = skipBlanks()) {
        if (code === newline) {
          at += 1;
        } else if (code === 35) {
          const end = text.indexOf("\n", at);
          at = end === -1 ? text.length : end + 1;
        } else {
          point(readings, precision, nowUs);
        }
      }
      return readings;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "bad-input") throw error;
      throw badAt(placeOf(text, at), error.why ?? error.what);
    } finally {
      text = "";
    }
  };
}

/** True for what ends a value or a time; charCodeAt gives NaN behind the end of the text. */
function isEnd(code: number): boolean {
  return code === comma || code === blank || code === newline || code === carriageReturn || Number.isNaN(code);
}

/** Integers, booleans, and numbers with more digits than the fast path takes. */
function rareValue(token: string): Value {
  const boolean = booleans.get(token);
  if (boolean !== undefined) return boolean;
  const integer = integerPattern.exec(token);
  if (integer !== null) {
    const exact = Number(integer[1]);
    if (!Number.isSafeInteger(exact)) {
      throw badReading("the integer lies beyond 2^53, where doubles are no longer exact; send it as text");
    }
    if (integer[2] === "u" && exact < 0) throw badReading('an integer with the suffix "u" is negative');
    return exact;
  }
  if (/^[+-]?(?:nan|inf(?:inity)?)$/i.test(token)) throw badReading("the value is not a finite number");
  if (!numberPattern.test(token)) {
    throw badReading(`"${token.slice(0, 40)}" is no number, boolean or text in double quotes`);
  }
  const number = Number(token);
  if (!Number.isFinite(number)) throw badReading("the value is not a finite number");
  return number;
}
