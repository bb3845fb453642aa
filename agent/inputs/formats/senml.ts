/**
 * SenML JSON (RFC 8428): an array of records, each resolved against the base fields before it.
 *
 * Times below 2^28 seconds are relative to now, which is the agent's clock: such readings count as stamped by it, and
 * are corrected with it. Sums (`s`, `bs`) are refused, since a reading has one value; `ut` is a hint about the next
 * message and is taken without effect; unknown fields are ignored, except those that end in "_", as the RFC says.
 */
import { Fault } from "../../../shared/errors.ts";
import type { Reading, Value } from "../../../shared/reading.ts";
import { badReading, bodyReadingsMax, tooMany } from "./fault.ts";
import { checkText, type Heads, readingOf } from "./heads.ts";
import { checkIntegers, numbered, parseJson } from "./json.ts";
import { isTimeUs } from "./time.ts";

type Rec = Readonly<Record<string, unknown>>;

/** Base fields as they stand before a record. */
interface Base {
  name: string;
  time: number;
  unit: string | undefined;
  value: number | undefined;
}

const relativeBelow = 2 ** 28;
const newestVersion = 10;
const base64url = /^[A-Za-z0-9_-]*={0,2}$/;

function text(record: Rec, key: string): string | undefined {
  const found = record[key];
  if (found === undefined || typeof found === "string") return found;
  throw badReading(`"${key}" is not text`);
}

function number(record: Rec, key: string): number | undefined {
  const found = record[key];
  if (found === undefined) return undefined;
  if (typeof found !== "number") throw badReading(`"${key}" is not a number`);
  if (!Number.isFinite(found)) throw badReading(`"${key}" is not a finite number`);
  return found;
}

/** Takes over a record's base fields. */
function rebase(record: Rec, base: Base): void {
  base.name = text(record, "bn") ?? base.name;
  base.time = number(record, "bt") ?? base.time;
  base.unit = text(record, "bu") ?? base.unit;
  base.value = number(record, "bv") ?? base.value;
  const version = number(record, "bver");
  if (version !== undefined && version > newestVersion) {
    throw badReading(`it is SenML version ${version}; at most ${newestVersion} is known`);
  }
}

function recordValue(record: Rec, base: Base): Value | undefined {
  if (record.s !== undefined || record.bs !== undefined) {
    throw badReading('sums ("s", "bs") are not supported; send the value as "v"');
  }
  const given = ["v", "vs", "vb", "vd"].filter((key) => record[key] !== undefined);
  if (given.length > 1) throw badReading(`it has more than one value: ${given.join(", ")}`);
  switch (given[0]) {
    case "v": {
      const sum = (number(record, "v") as number) + (base.value ?? 0);
      if (!Number.isFinite(sum)) throw badReading("the value is not a finite number");
      return sum;
    }
    case "vs":
      return text(record, "vs");
    case "vb":
      if (typeof record.vb !== "boolean") throw badReading('"vb" is not a boolean');
      return record.vb;
    case "vd": {
      const data = text(record, "vd") as string;
      if (!base64url.test(data)) throw badReading('"vd" is not base64url');
      return new Uint8Array(Buffer.from(data, "base64url"));
    }
    default:
      return undefined;
  }
}

/** Seconds as µs. A double holds seconds of our time to a quarter of a µs, so rounding gives the µs that was meant. */
function secondsUs(seconds: number): number {
  return Math.round(seconds * 1_000_000);
}

function recordReading(record: unknown, base: Base, heads: Heads, nowUs: number): Reading | undefined {
  if (typeof record !== "object" || record === null || Array.isArray(record)) throw badReading("it is not an object");
  const fields = record as Rec;
  for (const key in fields) {
    if (key.endsWith("_")) throw badReading(`the field "${key.slice(0, 80)}" must be understood, and is not known`);
  }
  rebase(fields, base);
  number(fields, "ut");
  const value = recordValue(fields, base);
  const name = base.name + (text(fields, "n") ?? "");
  const unit = text(fields, "u") ?? base.unit;
  const seconds = base.time + (number(fields, "t") ?? 0);
  if (value === undefined) {
    // A record may do nothing but set base fields.
    const own = ["n", "u", "t", "ut"].filter((key) => fields[key] !== undefined);
    if (own.length > 0) throw badReading('it has no value ("v", "vs", "vb" or "vd")');
    return undefined;
  }
  const head = heads.of(name, unit, undefined);
  if (typeof value === "string" || value instanceof Uint8Array) checkText(head, value);
  const stamped = seconds < relativeBelow;
  const timeUs = stamped ? nowUs + secondsUs(seconds) : secondsUs(seconds);
  if (!isTimeUs(timeUs)) throw badReading("the time is outside 1970 to 2200");
  return readingOf(head, timeUs, stamped, value);
}

/** True for a number that may have been an integer literal which a double rounds; only the text can tell. */
function isHuge(value: unknown): boolean {
  return typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER;
}

/**
 * Reads a SenML pack.
 * @param nowUs the agent's clock
 * @throws Fault `bad-input` or `too-large`
 */
export function parseSenml(body: string, heads: Heads, nowUs: number): Reading[] {
  const pack = parseJson(body);
  if (!Array.isArray(pack)) throw badReading("a SenML pack is a JSON array of records");
  if (pack.length > bodyReadingsMax) throw tooMany();
  const base: Base = { name: "", time: 0, unit: undefined, value: undefined };
  const readings: Reading[] = [];
  let suspicious = false;
  pack.forEach((record: unknown, index) => {
    try {
      const reading = recordReading(record, base, heads, nowUs);
      if (reading !== undefined) readings.push(reading);
      const { v, bv } = record as Rec;
      suspicious ||= isHuge(v) || isHuge(bv);
    } catch (error) {
      throw error instanceof Fault ? numbered(error, index + 1) : error;
    }
  });
  if (suspicious) checkIntegers(body);
  return readings;
}
