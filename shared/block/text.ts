/**
 * The text of a block: names, units, labels and text values as UTF-8, each ended by a zero byte, and behind them the
 * values that are bytes. One string at each end of the work: per-string calls would cost more than the bytes.
 */
import { isUtf8 } from "node:buffer";
import { damaged } from "./damaged.ts";

/** Inside a string, U+0000 is written as U+0001 U+0002, and U+0001 as U+0001 U+0003. */
function isSpecial(text: string): boolean {
  return text.includes("\0") || text.includes("\x01");
}

/** The bytes of strings and byte values. */
export function encodeText(texts: readonly string[], blobs: readonly Uint8Array[]): Uint8Array {
  const written = texts.some(isSpecial) ? texts.map(withEscapes) : texts;
  const bytes = Buffer.from(`${written.join("\0")}\0`, "utf8");
  return blobs.length === 0 ? bytes : Buffer.concat([bytes, ...blobs]);
}

/**
 * Exactly `count` strings from the whole of `bytes`.
 * @throws Fault `damaged` where there are more or fewer, or the bytes are not UTF-8
 */
export function decodeTexts(bytes: Uint8Array, count: number): string[] {
  if (!isUtf8(bytes)) throw damaged("its text is not UTF-8");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  const texts = text.split("\0", count + 2);
  if (texts.length !== count + 1 || texts.pop() !== "") throw damaged("it has another number of texts than it says");
  return text.includes("\x01") ? texts.map(withoutEscapes) : texts;
}

function withEscapes(text: string): string {
  return isSpecial(text) ? text.replaceAll("\x01", "\x01\x03").replaceAll("\0", "\x01\x02") : text;
}

function withoutEscapes(text: string): string {
  return text.replaceAll("\x01\x02", "\0").replaceAll("\x01\x03", "\x01");
}
