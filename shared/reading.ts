/** The reading: one measurement in the SenML model (RFC 8428), and the checks that every input applies to it. */
import { Fault } from "./errors.ts";
import { labelsMax, nameBytesMax, readingBytesMax, timeUsMax, timeUsMin } from "./limits.ts";

export type Value = number | string | boolean | Uint8Array;

export interface Reading {
  /** Series name, 1 to 1,024 bytes. */
  name: string;
  /** SenML unit, or absent. */
  unit?: string;
  /** Labels; their order does not matter. */
  labels?: Record<string, string>;
  /** µs since 1970, a safe integer. */
  timeUs: number;
  /** True where the agent's own clock gave the time: such times may be corrected later, a sensor's never are. */
  stamped?: boolean;
  value: Value;
}

const surrogate = /\p{Surrogate}/u;

function stringFault(what: string, text: string, bytesMax: number): string | undefined {
  // A UTF-16 unit is at most 3 bytes of UTF-8, so short strings need no exact count.
  if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax) {
    return `${what} is ${Buffer.byteLength(text)} bytes long; at most ${bytesMax} are allowed`;
  }
  if (surrogate.test(text)) return `${what} is not valid Unicode: it holds half of a surrogate pair`;
  return undefined;
}

/**
 * What is wrong with a reading, in words for the person who sent it; undefined where nothing is.
 * Cheap on the hot path: one pass, no allocation for a good reading without labels.
 */
export function readingFault(reading: Reading): string | undefined {
  const { name, unit, labels, timeUs, value } = reading;
  if (name.length === 0) return "the name is empty";
  let fault = stringFault("the name", name, nameBytesMax);
  if (fault !== undefined) return fault;
  if (unit !== undefined && (fault = stringFault("the unit", unit, nameBytesMax)) !== undefined) return fault;
  if (!Number.isSafeInteger(timeUs) || timeUs < timeUsMin || timeUs > timeUsMax) {
    return "the time is outside 1970 to 2200";
  }
  if (labels !== undefined && (fault = labelsFault(labels)) !== undefined) return fault;
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value)) return undefined;
      return "the value is not a finite number";
    case "boolean":
      return undefined;
    case "string":
      return stringFault("the value", value, readingBytesMax - 4 * nameBytesMax);
    default:
      if (!(value instanceof Uint8Array)) return "the value is not a number, text, boolean or bytes";
      return value.length > readingBytesMax - 4 * nameBytesMax ? "the value is too large" : undefined;
  }
}

function labelsFault(labels: Record<string, string>): string | undefined {
  const keys = Object.keys(labels);
  if (keys.length > labelsMax) return `there are ${keys.length} labels; at most ${labelsMax} are allowed`;
  let sizeBytes = 0;
  for (const key of keys) {
    const text = labels[key] as string;
    if (key.length === 0) return "a label has an empty key";
    const fault = stringFault("a label key", key, nameBytesMax) ?? stringFault(`the label ${key}`, text, nameBytesMax);
    if (fault !== undefined) return fault;
    sizeBytes += key.length * 3 + text.length * 3;
  }
  return sizeBytes > 2 * nameBytesMax ? "the labels together are too large" : undefined;
}

const identifier = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Agent and stream names are parts of MQTT topics and file names, hence plain. */
export function isIdentifier(text: string): boolean {
  return identifier.test(text);
}

/** Refuses anything but an agent or stream name. */
export function checkIdentifier(what: string, text: string): void {
  if (isIdentifier(text)) return;
  throw new Fault("bad-input", {
    what: `${what} "${text.slice(0, 80)}" cannot be used`,
    why: 'a name has 1 to 64 characters of a-z, 0-9, "-" and "_" and starts with a letter or a digit',
    remedy: "choose such a name",
  });
}
