/** The slow half of the line protocol: measurement and tags, read once for each series and then found by their text. */
import { badReading } from "./fault.ts";

export interface LineHead {
  readonly measurement: string;
  /** Undefined where there are no tags. */
  readonly tags: Record<string, string> | undefined;
}

/** The offset of the first `character` from `at` on that no backslash stands before; -1 where there is none. */
export function unescapedIndex(text: string, character: string, at: number): number {
  let found = text.indexOf(character, at);
  while (found > at && text[found - 1] === "\\") found = text.indexOf(character, found + 1);
  return found;
}

/** Takes away the backslashes before a comma, an equals sign or a blank; before anything else they stand for themselves. */
export function unescaped(text: string): string {
  return text.includes("\\") ? text.replace(/\\([,= ])/g, "$1") : text;
}

/**
 * Reads `measurement[,key=value]…` as it stands before the first blank of a line.
 * @throws Fault `bad-input`
 */
export function readLineHead(text: string): LineHead {
  const parts: string[] = [];
  for (let start = 0; start <= text.length; ) {
    const comma = unescapedIndex(text, ",", start);
    const end = comma === -1 ? text.length : comma;
    parts.push(text.slice(start, end));
    start = end + 1;
  }
  const measurement = unescaped(parts[0] as string);
  if (measurement === "") throw badReading("the measurement is missing");
  const tags = new Map<string, string>();
  for (const part of parts.slice(1)) {
    const equals = unescapedIndex(part, "=", 0);
    const key = unescaped(part.slice(0, Math.max(equals, 0)));
    const value = unescaped(part.slice(equals + 1));
    if (equals === -1 || key === "" || value === "") {
      throw badReading(`the tag "${part.slice(0, 80)}" has no key or no value`);
    }
    if (unescapedIndex(part, "=", equals + 1) !== -1) {
      throw badReading(`the tag "${part.slice(0, 80)}" has a second "="; write it as "\\="`);
    }
    if (tags.has(key)) throw badReading(`the tag "${key.slice(0, 80)}" stands there twice`);
    tags.set(key, value);
  }
  // fromEntries defines properties instead of assigning them, so that a tag may be called __proto__.
  return { measurement, tags: tags.size === 0 ? undefined : Object.fromEntries(tags) };
}
