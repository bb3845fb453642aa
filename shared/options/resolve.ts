/**
 * Checks what was given against the table: every fault at once, each with its place. Pure: what files exist is checked
 * elsewhere (files.ts).
 */
import { faultAt, nearest, type OptionFault, quote } from "./fault.ts";
import { type Entry, type Given, givenFromPlain, type Place } from "./given.ts";
import { type FileReference, type Findings, resolveScalar } from "./scalar.ts";
import {
  type Fields,
  fitsVariable,
  type List,
  type Mapping,
  pathOf,
  type Section,
  type TableNode,
  variableOf,
} from "./table.ts";

export interface Resolved {
  /** The values; where one has a fault, its default stands in, so that the checks that follow find the rest. */
  readonly value: unknown;
  readonly faults: OptionFault[];
  readonly files: FileReference[];
  /** Where each given option stands, by its path. */
  readonly places: Map<string, Place>;
}

export interface ResolveContext {
  readonly prefix: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths in the file start here. */
  readonly baseFolder: string;
  /** Relative paths in the environment start here. */
  readonly workingFolder: string;
}

/** What the walk through the table carries along. */
interface Walk extends Findings {
  readonly context: ResolveContext;
  readonly places: Map<string, Place>;
}

const nowhere: Place = { source: "", line: null, column: null };

/** Checks a whole configuration. */
export function resolveOptions(table: Section<Fields>, given: Given, context: ResolveContext): Resolved {
  const walk: Walk = { context, faults: [], files: [], places: new Map() };
  const value = resolveNode(walk, table, "", given, false);
  return { value, faults: walk.faults, files: walk.files, places: walk.places };
}

function resolveNode(walk: Walk, node: TableNode, path: string, at: Given | undefined, inList: boolean): unknown {
  const { context } = walk;
  const variable = inList || !fitsVariable(node) ? undefined : variableOf(context.prefix, path);
  const override = variable === undefined ? undefined : context.environment[variable];
  const given = override === undefined ? at : givenFromVariable(override, variable ?? "", node);
  if (given !== undefined) walk.places.set(path, given.place);
  if (node.node === "list") return resolveList(walk, node, path, given);
  if (node.node === "section") return resolveSection(walk, node, path, given, inList);
  if (node.node === "mapping") return resolveMapping(walk, node, path, given);
  return resolveScalar(walk, node, path, given, override === undefined ? context.baseFolder : context.workingFolder);
}

function resolveSection(
  walk: Walk,
  node: Section<Fields>,
  path: string,
  at: Given | undefined,
  inList: boolean,
): unknown {
  const known = Object.keys(node.fields);
  // A section whose lines are all commented out reads as nothing, which is what the sample file looks like.
  const misshapen = at !== undefined && at.shape !== "map" && (at.shape !== "nothing" || inList);
  if (misshapen) {
    const remedy = `write options: ${known.join(", ")}`;
    walk.faults.push(
      faultAt(at.place, path, `${path || "the file"} cannot be used`, "options are expected here", remedy),
    );
  }
  const entries = at?.shape === "map" ? at.entries : [];
  for (const entry of entries) if (!known.includes(entry.key)) walk.faults.push(unknownOption(entry, path, known));
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(node.fields)) {
    const fieldPath = pathOf(path, name);
    const given = entries.find(({ key }) => key === name)?.given;
    value[name] = resolveNode(walk, field, fieldPath, given, inList);
    if (misshapen || given !== undefined || field.node !== "scalar" || !field.required) continue;
    const remedy = `add it, for instance ${name}: ${field.example ?? ""}`;
    walk.faults.push(faultAt(at?.place ?? nowhere, fieldPath, `${fieldPath} is missing`, "it has no default", remedy));
  }
  return value;
}

function unknownOption({ key, keyPlace }: Entry, path: string, known: readonly string[]): OptionFault {
  const near = nearest(key, known);
  const remedy = near === undefined ? `the options here are ${known.join(", ")}` : `perhaps ${near} was meant`;
  const why = `${path || "the file"} has none of that name`;
  return faultAt(keyPlace, pathOf(path, key), `${quote(key)} is not an option`, why, remedy);
}

function resolveList(walk: Walk, node: List<TableNode>, path: string, at: Given | undefined): unknown {
  const standard = givenFromPlain(node.default, at?.place ?? nowhere);
  let list = at === undefined || at.shape === "nothing" ? standard : at;
  if (list.shape !== "list") {
    const remedy = 'write one item per line, each behind "- "';
    walk.faults.push(faultAt(list.place, path, `${path} cannot be used`, "a list is expected here", remedy));
    list = standard;
  }
  let items = list.shape === "list" ? list.items : [];
  if (items.length > node.countMax) {
    const why = `at most ${node.countMax} are allowed`;
    walk.faults.push(faultAt(list.place, path, `${path} has ${items.length} items`, why, "remove some"));
    items = items.slice(0, node.countMax);
  }
  if (node.unique !== undefined) walk.faults.push(...duplicates(items, node.unique, path));
  return items.map((item, index) => resolveNode(walk, node.element, `${path}[${index}]`, item, true));
}

function resolveMapping(walk: Walk, node: Mapping<unknown>, path: string, at: Given | undefined): unknown {
  if (at === undefined || at.shape === "nothing") return {};
  if (at.shape !== "map") {
    const remedy = "write one line per name: the name, a colon, and its value";
    walk.faults.push(faultAt(at.place, path, `${path} cannot be used`, `${node.names} are expected here`, remedy));
    return {};
  }
  if (at.entries.length > node.countMax) {
    const why = `at most ${node.countMax} are allowed`;
    walk.faults.push(faultAt(at.place, path, `${path} has ${at.entries.length} entries`, why, "remove some"));
  }
  const value: [string, unknown][] = [];
  for (const { key, keyPlace, given } of at.entries.slice(0, node.countMax)) {
    const entryPath = pathOf(path, key);
    walk.places.set(entryPath, given.place);
    const kind = node.kindOf(key);
    if ("why" in kind) {
      // Only the name is quoted: whoever writes a password here must not find it in a log.
      walk.faults.push(faultAt(keyPlace, entryPath, `${quote(key)} cannot be set`, kind.why, kind.remedy));
      continue;
    }
    const entry = { node: "scalar", kind, doc: "", required: false } as const;
    const found = resolveScalar(walk, entry, entryPath, given, walk.context.baseFolder);
    if (found !== undefined) value.push([key, found]);
  }
  return Object.fromEntries(value);
}

function duplicates(items: readonly Given[], unique: string, path: string): OptionFault[] {
  const first = new Map<string, number>();
  return items.flatMap((item, index) => {
    const given = item.shape === "map" ? item.entries.find(({ key }) => key === unique)?.given : undefined;
    if (given?.shape !== "scalar") return [];
    const before = first.get(given.text);
    if (before === undefined) {
      first.set(given.text, index);
      return [];
    }
    const what = `the ${unique} ${quote(given.text)} is given twice`;
    const why = `${path}[${before}] has the same ${unique}`;
    return [faultAt(given.place, `${path}[${index}].${unique}`, what, why, "choose another")];
  });
}

function givenFromVariable(text: string, variable: string, node: TableNode): Given {
  const place = { source: `environment variable ${variable}`, line: null, column: null };
  if (node.node === "scalar") return { place, shape: "scalar", text, quoted: false };
  const parts = text.split(",").map((part) => part.trim());
  const given = parts.filter((part) => part !== "");
  return givenFromPlain(given, place);
}
