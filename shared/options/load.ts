/** Loads the configuration of a program: file, environment and defaults, checked together. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { codeOf, messageOf } from "../errors.ts";
import { nearest, type OptionFault } from "./fault.ts";
import { configBytesMax, type Given, givenFromYaml, type Place } from "./given.ts";
import { resolveOptions } from "./resolve.ts";
import type { FileReference } from "./scalar.ts";
import { type Fields, type Program, type Section, type ValueOf, variableOf, variables } from "./table.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Either all values, or every fault. */
export type Loaded<T> =
  | { readonly value: T; readonly warnings: readonly OptionFault[]; readonly files: readonly FileReference[] }
  | { readonly faults: readonly OptionFault[] };

/**
 * Loads and checks.
 * @param path the config file; undefined runs on the defaults and the environment alone
 */
export function loadOptions<F extends Fields>(
  program: Program<F>,
  path: string | undefined,
  environment: Environment,
): Loaded<ValueOf<Section<F>>> {
  const source = path ?? "the defaults";
  const whole: Place = { source, line: null, column: null };
  let given: Given = { place: whole, shape: "nothing" };
  const found: OptionFault[] = unknownVariables(program, environment);
  if (path !== undefined) {
    const text = readBounded(path);
    if (typeof text !== "string") return { faults: [text] };
    const yaml = givenFromYaml(text, path);
    given = yaml.given;
    found.push(...yaml.faults);
  }
  const workingFolder = process.cwd();
  const baseFolder = path === undefined ? workingFolder : dirname(resolve(path));
  const resolved = resolveOptions(program.table, given, {
    prefix: program.prefix,
    environment,
    baseFolder,
    workingFolder,
  });
  found.push(...resolved.faults);
  const value = resolved.value as ValueOf<Section<F>>;
  const broken = found.some(isFault);
  for (const fault of program.check(value)) {
    // Beside a fault a default stands in, and what only looks strange because of that is not worth a warning.
    if (broken && fault.severity === "warning") continue;
    found.push({ ...placeOf(fault.path, resolved.places, whole), ...fault });
  }
  found.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  if (found.some(isFault)) return { faults: found };
  return { value, warnings: found, files: resolved.files };
}

function isFault({ severity }: OptionFault): boolean {
  return severity === "fault";
}

/** The place of an option, or of the nearest part of the configuration around it. */
function placeOf(path: string, places: ReadonlyMap<string, Place>, whole: Place): Place {
  let part = path;
  for (;;) {
    const place = places.get(part);
    if (place !== undefined && place.source !== "") return place;
    const cut = Math.max(part.lastIndexOf("."), part.lastIndexOf("["));
    if (cut < 0) return whole;
    part = part.slice(0, cut);
  }
}

/** A mistyped variable would otherwise be ignored in silence. */
function unknownVariables(program: Program, environment: Environment): OptionFault[] {
  const known = new Set([...variables(program.table.fields)].map(({ path }) => variableOf(program.prefix, path)));
  const faults: OptionFault[] = [];
  for (const name of Object.keys(environment)) {
    if (!name.startsWith(`${program.prefix}_`) || known.has(name)) continue;
    const near = nearest(name, known);
    faults.push({
      severity: "warning",
      source: `environment variable ${name}`,
      line: null,
      column: null,
      path: "",
      what: `the environment variable ${name} has no effect`,
      why: "no option goes by that name",
      remedy: near === undefined ? "see the reference page for the names" : `perhaps ${near} was meant`,
    });
  }
  return faults;
}

function readBounded(path: string): string | OptionFault {
  const fault = (why: string, remedy: string): OptionFault => ({
    severity: "fault",
    source: path,
    line: null,
    column: null,
    path: "",
    what: "the configuration cannot be read",
    why,
    remedy,
  });
  let handle: number | undefined;
  try {
    handle = openSync(path, "r");
    if (fstatSync(handle).isDirectory()) return fault("it is a folder", "name a file");
    // One byte more than allowed tells a file that is too large, even where its size is not known beforehand.
    const buffer = Buffer.alloc(configBytesMax + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length < buffer.length; length += got) {
      got = readSync(handle, buffer, length, buffer.length - length, null);
    }
    if (length > configBytesMax) return fault(`it is larger than ${configBytesMax / 1024} KiB`, "name a config file");
    return new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, length));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return fault("the file does not exist", "write a sample with the command init");
    if (codeOf(error) === "EACCES") return fault("it may not be read", "give this user the right to read it");
    return fault(messageOf(error), "name a readable text file in UTF-8");
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
