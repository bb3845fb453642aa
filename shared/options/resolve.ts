/**
 * Checks what was given against the table: every fault at once, each with its place. Pure: what files exist is checked
 * elsewhere (files.ts).
 */
import { nearest, type OptionFault, quote } from "./fault.ts";
import { type Entry, type Given, givenFromPlain, type Place } from "./given.ts";
import {
  type Fields,
  fitsVariable,
  type Kind,
  type List,
  pathOf,
  type Scalar,
  type Section,
  type TableNode,
  variableOf,
} from "./table.ts";

/** A file that an option names. */
export interface FileReference {
  readonly path: string;
  readonly place: Place;
  readonly file: string;
  readonly secret: boolean;
}

export interface Resolved {
  /** The values, complete where `faults` is empty. */
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

/** Checks a whole configuration. */
export function resolveOptions(table: Section<Fields>, given: Given, context: ResolveContext): Resolved {
  const faults: OptionFault[] = [];
  const files: FileReference[] = [];
  const places = new Map<string, Place>();

  const add = (place: Place, path: string, what: string, why: string, remedy: string): undefined => {
    faults.push({ severity: "fault", ...place, path, what, why, remedy });
  };

  const visit = (node: TableNode, path: string, at: Given | undefined, inList: boolean): unknown => {
    const variable = inList || !fitsVariable(node) ? undefined : variableOf(context.prefix, path);
    const override = variable === undefined ? undefined : context.environment[variable];
    const source = override === undefined ? at : givenFromVariable(override, variable ?? "", node);
    if (source !== undefined) places.set(path, source.place);
    switch (node.node) {
      case "scalar":
        return visitScalar(node, path, source, at?.place, override !== undefined);
      case "list":
        return visitList(node, path, source);
      default:
        return visitSection(node, path, source, inList);
    }
  };

  const visitSection = (node: Section<Fields>, path: string, at: Given | undefined, inList: boolean): unknown => {
    const known = Object.keys(node.fields);
    let entries: readonly Entry[] = [];
    if (at?.shape === "map") entries = at.entries;
    // A section whose lines are all commented out reads as nothing, which is what the sample file looks like.
    else if (at !== undefined && (at.shape !== "nothing" || inList)) {
      return add(
        at.place,
        path,
        `${path || "the file"} cannot be used`,
        "options are expected here",
        `write options: ${known.join(", ")}`,
      );
    }
    for (const { key, keyPlace } of entries) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      const remedy = near === undefined ? `the options here are ${known.join(", ")}` : `perhaps ${near} was meant`;
      add(
        keyPlace,
        pathOf(path, key),
        `${quote(key)} is not an option`,
        `${path || "the file"} has none of that name`,
        remedy,
      );
    }
    const value: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(node.fields)) {
      const entry = entries.find(({ key }) => key === name);
      const place = at?.place ?? { source: "", line: null, column: null };
      const missing = entry === undefined && field.node === "scalar" && field.required;
      if (missing)
        add(place, pathOf(path, name), `${pathOf(path, name)} is missing`, "it has no default", example(name, field));
      else value[name] = visit(field, pathOf(path, name), entry?.given, inList);
    }
    return value;
  };

  const visitList = (node: List<TableNode>, path: string, at: Given | undefined): unknown => {
    const place = at?.place ?? { source: "", line: null, column: null };
    const list = at === undefined || at.shape === "nothing" ? givenFromPlain(node.default, place) : at;
    if (list.shape !== "list") {
      return add(
        place,
        path,
        `${path} cannot be used`,
        "a list is expected here",
        'write one item per line, each behind "- "',
      );
    }
    if (list.items.length > node.countMax) {
      return add(
        place,
        path,
        `${path} has ${list.items.length} items`,
        `at most ${node.countMax} are allowed`,
        "remove some",
      );
    }
    const values = list.items.map((item, index) => visit(node.element, `${path}[${index}]`, item, true));
    if (node.unique !== undefined) refuseDuplicates(list.items, node.unique, path);
    return values;
  };

  const refuseDuplicates = (items: readonly Given[], unique: string, path: string): void => {
    const seen = new Map<string, number>();
    for (const [index, item] of items.entries()) {
      if (item.shape !== "map") continue;
      const given = item.entries.find(({ key }) => key === unique)?.given;
      if (given?.shape !== "scalar") continue;
      const first = seen.get(given.text);
      if (first === undefined) seen.set(given.text, index);
      else {
        const why = `${path}[${first}] has the same ${unique}`;
        add(
          given.place,
          `${path}[${index}].${unique}`,
          `the ${unique} ${quote(given.text)} is given twice`,
          why,
          "choose another",
        );
      }
    }
  };

  const visitScalar = (
    node: Scalar<unknown>,
    path: string,
    at: Given | undefined,
    filePlace: Place | undefined,
    fromVariable: boolean,
  ): unknown => {
    const place = at?.place ?? filePlace ?? { source: "", line: null, column: null };
    if (at === undefined)
      return node.default === undefined ? undefined : take(node.kind, node.default, path, place, false);
    if (at.shape === "nothing") {
      return add(
        place,
        path,
        `${path} has no value`,
        "nothing stands behind the colon",
        "write a value or remove the line",
      );
    }
    if (at.shape !== "scalar") {
      return add(place, path, `${path} cannot be used`, "one value is expected here", `write a ${node.kind.type}`);
    }
    if (at.quoted && node.kind.plain === true) {
      return add(
        place,
        path,
        `${path} ${quote(at.text)} cannot be used`,
        `quotes make it text, not ${article(node.kind)}`,
        "remove the quotes",
      );
    }
    return take(node.kind, at.text, path, place, fromVariable);
  };

  const take = (kind: Kind<unknown>, text: string, path: string, place: Place, fromVariable: boolean): unknown => {
    const parsed = kind.parse(text, fromVariable ? context.workingFolder : context.baseFolder);
    if (!("value" in parsed))
      return add(place, path, `${path} ${quote(text)} cannot be used`, parsed.why, parsed.remedy);
    if (kind.file !== undefined) {
      files.push({ path, place, file: parsed.value as string, secret: kind.file === "secret" });
    }
    return parsed.value;
  };

  const value = visit(table, "", given, false);
  return { value, faults, files, places };
}

function givenFromVariable(text: string, variable: string, node: TableNode): Given {
  const place = { source: `environment variable ${variable}`, line: null, column: null };
  if (node.node === "scalar") return { place, shape: "scalar", text, quoted: false };
  const parts = text.split(",").map((part) => part.trim());
  return givenFromPlain(
    parts.filter((part) => part !== ""),
    place,
  );
}

function example(name: string, field: Scalar<unknown>): string {
  return `add it, for instance ${name}: ${field.example ?? ""}`;
}

function article(kind: Kind<unknown>): string {
  return kind.type === "true or false" ? kind.type : `a ${kind.type}`;
}
