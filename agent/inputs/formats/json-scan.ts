/**
 * A slow reader of JSON that only tells what is wrong and where. JSON.parse does the work; this one runs after it
 * failed (its message often names no place), and where a parsed number may have been an integer that a double rounds.
 */
import { nestingMax, nestingOffset } from "./nesting.ts";

export interface JsonFault {
  readonly offset: number;
  readonly why: string;
}

const numberPattern = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const escapePattern = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const blankPattern = /[ \t\n\r]*/y;

/**
 * The first fault of a JSON text: of its syntax, its nesting, or an integer beyond 2^53.
 * @returns undefined where there is none
 */
export function jsonFault(text: string): JsonFault | undefined {
  // Checked first, so that the recursion below is bounded.
  const deep = nestingOffset(text);
  if (deep !== undefined) return { offset: deep, why: `the JSON is nested deeper than ${nestingMax} levels` };
  let at = 0;

  function skip(pattern: RegExp): boolean {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  }

  function fault(why: string): JsonFault {
    return { offset: at, why: at >= text.length ? "the JSON ends too early" : why };
  }

  function string(): JsonFault | undefined {
    if (text[at] !== '"') return fault("a text in double quotes is expected here");
    at += 1;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === 34 || code < 32 || Number.isNaN(code)) break;
      if (code !== 92) at += 1;
      else if (!skip(escapePattern)) return fault("this escape is not one of JSON");
    }
    if (text[at] !== '"') return fault("a control character stands in a text; write it as \\u escape");
    at += 1;
    return undefined;
  }

  function number(): JsonFault | undefined {
    const start = at;
    numberPattern.lastIndex = at;
    const match = numberPattern.exec(text);
    if (match === null) return fault("a value is expected here; JSON knows no NaN and no Infinity");
    at = numberPattern.lastIndex;
    const isInteger = match[1] === undefined && match[2] === undefined;
    if (isInteger && !Number.isSafeInteger(Number(match[0]))) {
      return { offset: start, why: "the integer lies beyond 2^53, where doubles are no longer exact; send it as text" };
    }
    return undefined;
  }

  function members(close: string, member: () => JsonFault | undefined): JsonFault | undefined {
    at += 1;
    skip(blankPattern);
    if (text[at] === close) {
      at += 1;
      return undefined;
    }
    for (;;) {
      const wrong = member();
      if (wrong !== undefined) return wrong;
      skip(blankPattern);
      if (text[at] === close) {
        at += 1;
        return undefined;
      }
      if (text[at] !== ",") return fault(`"," or "${close}" is expected here`);
      at += 1;
    }
  }

  function entry(): JsonFault | undefined {
    skip(blankPattern);
    const wrong = string();
    if (wrong !== undefined) return wrong;
    skip(blankPattern);
    if (text[at] !== ":") return fault('":" is expected here');
    at += 1;
    return value();
  }

  function value(): JsonFault | undefined {
    skip(blankPattern);
    if (text[at] === "{") return members("}", entry);
    if (text[at] === "[") return members("]", value);
    if (text[at] === '"') return string();
    for (const word of ["true", "false", "null"]) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return undefined;
      }
    }
    return number();
  }

  const wrong = value();
  if (wrong !== undefined) return wrong;
  skip(blankPattern);
  return at < text.length ? fault("the JSON is over before this") : undefined;
}
