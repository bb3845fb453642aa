/** Readers of single message fields. Each takes what CBOR gave and returns it checked, or throws Fault `protocol`. */
import { Fault } from "../errors.ts";
import { seqMax } from "../limits.ts";
import { isIdentifier } from "../reading.ts";

type Reader<T> = (value: unknown) => T;

export function malformed(why: string): Fault {
  return new Fault("protocol", { what: "a message is malformed", why });
}

/** An array of exactly `size` items. */
export function tuple(value: unknown, size: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length !== size) throw malformed(`an array of ${size} items is missing`);
  return value;
}

/** An array of at most `sizeMax` items. */
export function list<T>(sizeMax: number, read: Reader<T>): Reader<T[]> {
  return (value) => {
    if (!Array.isArray(value) || value.length > sizeMax) throw malformed(`a list of at most ${sizeMax} is missing`);
    return value.map(read);
  };
}

export function nullable<T>(read: Reader<T>): Reader<T | null> {
  return (value) => (value === null ? null : read(value));
}

/** A whole number from 0 to `max`. */
export function bounded(max: number): Reader<number> {
  return (value) => {
    if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max) return value as number;
    throw malformed(`a whole number up to ${max} is missing`);
  };
}

/** A whole number from 0. */
export const count: Reader<number> = bounded(seqMax);

/** A whole number from 1. */
export const seq: Reader<number> = (value) => {
  const number = count(value);
  if (number === 0) throw malformed("a seq is 0");
  return number;
};

/** A whole number of either sign. */
export const signed: Reader<number> = (value) => {
  if (Number.isSafeInteger(value)) return value as number;
  throw malformed("a whole number is missing");
};

export const flag: Reader<boolean> = (value) => {
  if (typeof value === "boolean") return value;
  throw malformed("a boolean is missing");
};

export function text(lengthMax: number): Reader<string> {
  return (value) => {
    if (typeof value === "string" && value.length <= lengthMax) return value;
    throw malformed(`a text of at most ${lengthMax} characters is missing`);
  };
}

/** An agent or stream name. */
export const name: Reader<string> = (value) => {
  if (typeof value === "string" && isIdentifier(value)) return value;
  throw malformed("a name is missing");
};

export function bytes(sizeMax: number): Reader<Uint8Array> {
  return (value) => {
    if (value instanceof Uint8Array && value.length <= sizeMax) return value;
    throw malformed(`a byte string of at most ${sizeMax} bytes is missing`);
  };
}

/** A byte string of exactly `size` bytes, as hexadecimal. */
export function hex(size: number): Reader<string> {
  return (value) => {
    if (value instanceof Uint8Array && value.length === size) return Buffer.from(value).toString("hex");
    throw malformed(`a byte string of ${size} bytes is missing`);
  };
}

export const nonce = hex(8);
export const epoch = hex(8);
/** A store id, group id or journal id. */
export const id = hex(16);

/** An index into `names`. */
export function oneOf<T>(names: readonly T[]): Reader<T> {
  return (value) => names[bounded(names.length - 1)(value)] as T;
}
