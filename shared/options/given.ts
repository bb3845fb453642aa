/**
 * What a configuration gives, before it is checked: a plain tree that remembers where each thing stands. YAML, the
 * environment and the defaults of the table all become such a tree, so that one check serves all three.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument, type YAMLMap } from "yaml";
import type { OptionFault } from "./fault.ts";
import type { Plain } from "./table.ts";

export interface Place {
  /** The file or the environment variable. */
  readonly source: string;
  readonly line: number | null;
  readonly column: number | null;
}

export interface Entry {
  readonly key: string;
  readonly keyPlace: Place;
  readonly given: Given;
}

export type Given = { readonly place: Place } & (
  | { readonly shape: "map"; readonly entries: readonly Entry[] }
  | { readonly shape: "list"; readonly items: readonly Given[] }
  | { readonly shape: "scalar"; readonly text: string; readonly quoted: boolean }
  | { readonly shape: "nothing" }
);

/** Largest config file. */
export const configBytesMax = 256 * 1024;
/** Deepest nesting; tables need four levels. */
const depthMax = 16;

/** Reads YAML text. A fault here means that the text as a whole cannot be trusted; there may be several. */
export function givenFromYaml(text: string, source: string): { given: Given; faults: OptionFault[] } {
  const lines = new LineCounter();
  const faults: OptionFault[] = [];
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { source, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const add = (place: Place, what: string, why: string, remedy: string): void => {
    faults.push({ severity: "fault", path: "", ...place, what, why, remedy });
  };
  const whole: Given = { place: { source, line: 1, column: 1 }, shape: "nothing" };

  const convert = (node: ParsedNode | null, offset: number, depth: number): Given => {
    const place = placeAt(node?.range[0] ?? offset);
    if (node === null) return { place, shape: "nothing" };
    if (isAlias(node)) {
      // An alias can stand for more than the file's size says, and a config file is too short to need one.
      add(place, `the alias *${node.source} cannot be used`, "aliases are not supported here", "write the value out");
      return { place, shape: "nothing" };
    }
    if (depth > depthMax) {
      add(
        place,
        "this is nested too deeply",
        `at most ${depthMax} levels are read`,
        "see the reference page for the options",
      );
      return { place, shape: "nothing" };
    }
    if (isMap(node)) return { place, shape: "map", entries: entriesOf(node as YAMLMap.Parsed, depth) };
    if (isSeq(node)) {
      const items = (node.items as ParsedNode[]).map((item) => convert(item, node.range[0], depth + 1));
      return { place, shape: "list", items };
    }
    if (!isScalar(node) || node.value === null) return { place, shape: "nothing" };
    return { place, shape: "scalar", text: node.source, quoted: node.type !== "PLAIN" };
  };
  const entriesOf = (map: YAMLMap.Parsed, depth: number): Entry[] =>
    map.items.map((pair) => {
      const keyPlace = placeAt(pair.key.range[0]);
      const key = isScalar(pair.key) ? String((pair.key as { source?: string }).source ?? "") : "";
      return { key, keyPlace, given: convert(pair.value, pair.key.range[0], depth + 1) };
    });

  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
    for (const error of document.errors) {
      const duplicate = error.code === "DUPLICATE_KEY";
      const what = duplicate ? "an option is given twice" : "the file is not valid YAML";
      const remedy = duplicate ? "keep one of the two" : "correct the line; indent with spaces, two per level";
      add(placeAt(error.pos[0]), what, plainReason(error.message), remedy);
    }
    // After a syntax error the tree is a guess, and faults found in it would mislead.
    if (document.errors.some((error) => error.code !== "DUPLICATE_KEY")) return { given: whole, faults };
    return { given: convert(document.contents as ParsedNode | null, 0, 0), faults };
  } catch (error) {
    add(
      whole.place,
      "the file cannot be read as YAML",
      (error as Error).message,
      "simplify it: the nesting may be too deep",
    );
    return { given: whole, faults };
  }
}

function plainReason(message: string): string {
  return message === "Map keys must be unique" ? "each option can be given once" : message;
}

/** The tree of a default of the table. */
export function givenFromPlain(plain: Plain, place: Place): Given {
  if (typeof plain === "string") return { place, shape: "scalar", text: plain, quoted: false };
  if (Array.isArray(plain)) {
    return { place, shape: "list", items: plain.map((item: Plain) => givenFromPlain(item, place)) };
  }
  const entries = Object.entries(plain as Record<string, Plain>);
  return {
    place,
    shape: "map",
    entries: entries.map(([key, value]) => ({ key, keyPlace: place, given: givenFromPlain(value, place) })),
  };
}
