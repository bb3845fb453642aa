/**
 * Topics and keys by template: `site.{agent}.{series}`. RECORDS.md says the same for people.
 *
 * Kafka allows a topic 1 to 249 of [a-zA-Z0-9._-], and refuses one that differs from another only in `.` and `_`, since
 * its metrics write both as `_`. Series names are free text. So a value becomes part of a topic by these rules, under
 * which no two lists of values share a name, not even in the metrics:
 *
 * - letters and digits stay; `-` stays between two of them, and so does `.` in the last placeholder;
 * - every other byte of the UTF-8 is `--` and two hexadecimal digits: `plant/line_3` is `plant--2fline--5f3`. A value
 *   never holds `_`, nor `.` before the last placeholder; so a literal with one of the two must stand between any two
 *   placeholders, and the parts of a name can always be told from each other;
 * - what would be longer than 64 characters is cut and ends in `--x` and 64 bits of its SHA-256. That alone can be met
 *   by two values, by intent; both then share a topic, and nothing else happens, since topics name no reading.
 *
 * Rejected: to write `_` for whatever is not allowed (two series would share a topic in silence, and `a.b` and `a_b` stop
 * the broker); percent signs (not allowed); `_` before the hexadecimal digits (what is `a_5f.b` to the metrics?); to
 * refuse {series} in topics (one topic a series is what people ask for).
 */
import { createHash } from "node:crypto";

const placeholders = ["agent", "stream", "series"] as const;
export type Placeholder = (typeof placeholders)[number];

export const defaultTopic = "holdfast.readings";
/** No two pairs share a key: an agent's name has no slash. */
export const defaultKey = "{agent}/{series}";
/** A block holds many series. */
export const defaultBatchKey = "{agent}/{stream}";

const topicLengthMax = 249;
const keyTemplateLengthMax = 249;
/** Longest part of a topic that comes from a value: agents and streams without `_` always fit as they are. */
const valueLengthMax = 64;
/** Room for `--x` and 16 digits. */
const cutLength = valueLengthMax - 19;
/**
 * Most topics that one template makes (I8): each partition is read at every start and stands in every shard record.
 * What comes beyond goes to one more, in which each value is `--other`.
 */
export const topicsMax = 256;
/** No value becomes this: two hexadecimal digits or an `x` follow `--` there. */
const otherValue = "--other";

/** A literal, or a placeholder. */
type Part = { readonly text: string } | { readonly name: Placeholder };

function parse(template: string): Part[] | string {
  const parts: Part[] = [];
  for (const [at, text] of template.split(/\{([^{}]*)\}/).entries()) {
    if (at % 2 === 0) {
      if (/[{}]/.test(text)) return "a brace has no counterpart";
      if (text !== "") parts.push({ text });
      continue;
    }
    const name = placeholders.find((known) => known === text);
    if (name === undefined) return `{${text}} is no placeholder: there are {agent}, {stream} and {series}`;
    if (parts.some((part) => "name" in part && part.name === name)) return `{${name}} stands in it twice`;
    parts.push({ name });
  }
  return parts;
}

/**
 * What is wrong with a template of topics, in words for whoever wrote it; undefined where every name that it can make is
 * a legal topic and none of `reserved`.
 * @param allowed the placeholders that have a value: a block has no series
 * @param reserved topics that belong to something else
 */
export function topicTemplateFault(
  template: string,
  allowed: readonly Placeholder[],
  reserved: readonly string[],
): string | undefined {
  const parts = parse(template);
  if (typeof parts === "string") return parts;
  const [first] = parts;
  if (first === undefined) return "it is empty";
  let lengthMax = 0;
  let isApart = true;
  for (const part of parts) {
    if ("text" in part) {
      if (/[^a-zA-Z0-9._-]/.test(part.text)) return 'a topic holds only letters, digits, ".", "_" and "-"';
      lengthMax += part.text.length;
      isApart ||= /[._]/.test(part.text);
      continue;
    }
    if (!allowed.includes(part.name)) return `{${part.name}} has no value here`;
    if (!isApart) return 'between two placeholders there must be a "." or "_", or two names could be one';
    lengthMax += valueLengthMax;
    isApart = false;
  }
  if (lengthMax > topicLengthMax) return `it can make names of ${lengthMax} characters; ${topicLengthMax} are allowed`;
  if (template === "." || template === "..") return "that is no topic";
  if ("text" in first && first.text.startsWith("__")) return 'names that begin with "__" are the cluster\'s own';
  const taken = reserved.find((topic) => pattern(parts, "_").test(topic.replaceAll(".", "_")));
  return taken === undefined ? undefined : `it can make the name ${taken}, which has another use`;
}

/** Matches the names that a template can make, with `dot` where they have one. */
function pattern(parts: readonly Part[], dot: "." | "_"): RegExp {
  const sources = parts.map((part, at) => {
    if ("text" in part) return part.text.replaceAll(".", dot === "." ? "\\." : "_");
    return isLastValue(parts, at) ? `[a-zA-Z0-9${dot}-]+` : "[a-zA-Z0-9-]+";
  });
  return new RegExp(`^${sources.join("")}$`);
}

function isLastValue(parts: readonly Part[], at: number): boolean {
  return !parts.slice(at + 1).some((part) => "name" in part);
}

export interface TopicNames {
  /** The topic of a series, of a stream, … : values that the template does not name may be empty. */
  of(agent: string, stream: string, series: string): string;
  /** True for a topic that the template can make. */
  isOwn(topic: string): boolean;
}

/**
 * The topics of a template that has no fault.
 * @param known topics that are there already, so that a series stays where it was
 */
export function topicNames(template: string, known: Iterable<string>): TopicNames {
  const parts = parse(template) as Part[];
  const own = pattern(parts, ".");
  const used = new Set([...known].filter((topic) => own.test(topic)));
  const other = parts.map((part) => ("text" in part ? part.text : otherValue)).join("");
  const last = parts.findLastIndex((part) => "name" in part);
  return {
    of(agent, stream, series) {
      if (last === -1) return template;
      const values = { agent, stream, series };
      const name = parts.reduce(
        (text, part, at) => text + ("text" in part ? part.text : topicValue(values[part.name], at === last)),
        "",
      );
      if (used.has(name)) return name;
      if (used.size >= topicsMax) return other;
      used.add(name);
      return name;
    },
    isOwn: (topic) => own.test(topic),
  };
}

const plain = /^[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*$/;
const plainDotted = /^[a-zA-Z0-9]+(?:[.-][a-zA-Z0-9]+)*$/;
const foreign = /(?<![a-zA-Z0-9])-|-(?![a-zA-Z0-9])|[^a-zA-Z0-9-]/gu;
const foreignDotted = /(?<![a-zA-Z0-9])[.-]|[.-](?![a-zA-Z0-9])|[^a-zA-Z0-9.-]/gu;

/** A value as a part of a topic. */
function topicValue(value: string, keepsDots: boolean): string {
  const isPlain = (keepsDots ? plainDotted : plain).test(value);
  const text = isPlain ? value : value.replace(keepsDots ? foreignDotted : foreign, escaped);
  if (text.length <= valueLengthMax) return text;
  // A sequence that the cut runs through is left out.
  const head = text.slice(0, cutLength).replace(/--?[0-9a-f]?$/, "");
  return `${head}--x${createHash("sha256").update(value).digest("hex").slice(0, 16)}`;
}

function escaped(text: string): string {
  return Array.from(Buffer.from(text), (byte) => `--${byte.toString(16).padStart(2, "0")}`).join("");
}

/** What is wrong with a template of keys; undefined where nothing is. */
export function keyTemplateFault(template: string, allowed: readonly Placeholder[]): string | undefined {
  const parts = parse(template);
  if (typeof parts === "string") return parts;
  if (parts.length === 0) return "it is empty";
  if (template.length > keyTemplateLengthMax) return `it is longer than ${keyTemplateLengthMax} characters`;
  const without = parts.find((part) => "name" in part && !allowed.includes(part.name));
  return without !== undefined && "name" in without ? `{${without.name}} has no value here` : undefined;
}

export type KeyOf = (agent: string, stream: string, series: string) => Buffer;

/** The keys of a template that has no fault. Values stand in them as they are: a key is any bytes. */
export function keysOf(template: string): KeyOf {
  const parts = parse(template) as Part[];
  return (agent, stream, series) => {
    const values = { agent, stream, series };
    return Buffer.from(parts.reduce((text, part) => text + ("text" in part ? part.text : values[part.name]), ""));
  };
}
