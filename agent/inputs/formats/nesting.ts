/** A bound on the nesting of JSON, before it is parsed: 8 MB of "[" would cost JSON.parse half a second and 370 MB. */

/** Deepest nesting that an input takes; a reading needs three levels. */
export const nestingMax = 8;

/** The offset at which `text` nests deeper than allowed; undefined where it does not. Does not check anything else. */
export function nestingOffset(text: string): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 34) {
      at = stringEnd(text, at + 1);
    } else if (code === 91 || code === 123) {
      depth += 1;
      if (depth > nestingMax) return at;
    } else if (code === 93 || code === 125) {
      depth -= 1;
    }
  }
  return undefined;
}

/** The offset of the quote that ends the string whose inside starts at `at`; the text's length where none does. */
function stringEnd(text: string, at: number): number {
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 92) at += 1;
    else if (code === 34) return at;
  }
  return text.length;
}
