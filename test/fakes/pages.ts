/** Pages of the documents, as tests take them apart. */
import { readFileSync } from "node:fs";

/** The text of a page, named from the folder of the project. */
export function pageText(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

/** The code blocks of a language in a page or a part of one. */
export function blocksIn(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map((match) => match[1] as string);
}

/** The part of a page under a heading of the second level. */
export function sectionOf(text: string, heading: string): string {
  const part = text.split(/^## /m).find((section) => section.startsWith(`${heading}\n`));
  if (part === undefined) throw new Error(`there is no heading ${heading}`);
  return part;
}
