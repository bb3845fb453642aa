/**
 * The lines of the queue: one JSON object per outcome of a seq, as FORMAT.md describes them and line.schema.json checks
 * them. Everything that the rows of a series share is written once as a prebuilt piece of JSON; a row then costs a few
 * string joins (measured: 2.8 million lines a second on one core).
 */
import type { Series } from "../../shared/block/columns.ts";
import { Fault } from "../../shared/errors.ts";
import { timeUsMax, timeUsMin } from "../../shared/limits.ts";
import type { Value } from "../../shared/reading.ts";
import type { Lane, Outcome } from "./queue.ts";
import { timeFormatter } from "./times.ts";

/** Text gathered before it is encoded: long ropes of strings are slow to flatten. */
const textLengthMax = 16 * 1024;

/**
 * Encodes the lines of `outcomes`, in their order, as UTF-8, each ended by a line feed.
 * @param buffer memory to encode into; a line that does not fit gets memory of its own
 * @yields views of `buffer` with whole lines; a view is valid until the next one is asked for
 * @throws Fault `bad-input` where a time or value is outside of what a reading can hold
 */
export function* encodeLines(outcomes: Iterable<Outcome>, buffer: Buffer): Generator<Uint8Array> {
  let text = "";
  let used = 0;
  for (const line of lineTexts(outcomes)) {
    text += line;
    if (text.length < textLengthMax) continue;
    // A UTF-16 unit is at most 3 bytes of UTF-8.
    if (text.length * 3 > buffer.length - used && used > 0) {
      yield buffer.subarray(0, used);
      used = 0;
    }
    if (text.length * 3 > buffer.length) yield Buffer.from(text);
    else used += buffer.write(text, used);
    text = "";
  }
  if (text.length * 3 > buffer.length - used && used > 0) {
    yield buffer.subarray(0, used);
    used = 0;
  }
  if (text.length * 3 > buffer.length) yield Buffer.from(text);
  else if ((used += buffer.write(text, used)) > 0) yield buffer.subarray(0, used);
}

/** The lines of `outcomes` as text, one by one, with the line feed. */
export function* lineTexts(outcomes: Iterable<Outcome>): Generator<string> {
  const format = timeFormatter();
  for (const outcome of outcomes) {
    const { body } = outcome;
    if (body.kind === "readings") yield* readingLines(outcome, body, format);
    else if (body.kind === "loss") yield* lossLines(outcome, body, format);
    else yield* deadLetterLines(outcome, body);
  }
}

type Body<K> = Extract<Outcome["body"], { kind: K }>;
type Format = (timeUs: number) => string;

function* readingLines(outcome: Outcome, body: Body<"readings">, format: Format): Generator<string> {
  const { columns, clock, first } = body;
  const head = `${headOf("reading", outcome.lane)},"seq":`;
  const numbers = columns.series.map((series) => `${seriesPiece(series)},"value":`);
  const repeated = body.repeated ? ',"repeated":true}\n' : "}\n";
  const tail = `,"clock":"${clock.quality}"${repeated}`;
  for (const span of outcome.spans) {
    if (span.first < first || span.last > first + columns.count - 1) {
      throw new Error(`the span ${span.first} to ${span.last} is not in the block at ${first}`);
    }
    for (let row = span.first - first; row <= span.last - first; row++) {
      const index = columns.rowSeries[row] as number;
      const series = columns.series[index] as Series;
      const value = columns.values[row] as Value;
      const given = columns.timesUs[row] as number;
      // The clock's offset belongs to times that the agent stamped. A sum that no reading could have is no correction.
      const shifted = series.stamped ? given + clock.offsetUs : given;
      const timeUs = isTime(shifted) ? shifted : given;
      if (!isTime(timeUs)) throw unwritable("a time outside 1970 to 2200");
      const place = `${head}${first + row},"time":"${format(timeUs)}","timeUs":${timeUs}`;
      const end = timeUs === shifted ? tail : `,"clock":"unsynced"${repeated}`;
      if (value instanceof Uint8Array) yield `${place}${seriesPiece(series)},"valueBase64":"${base64(value)}"${end}`;
      else yield `${place}${numbers[index]}${scalar(value)}${end}`;
    }
  }
}

function* lossLines(outcome: Outcome, body: Body<"loss">, format: Format): Generator<string> {
  const { reason, fromUs, toUs } = body.loss;
  const bound = (name: string, timeUs: number | null) =>
    timeUs === null || !isTime(timeUs) ? "" : `,"${name}":"${format(timeUs)}","${name}Us":${timeUs}`;
  for (const span of outcome.spans) {
    const seqs = `,"firstSeq":${span.first},"lastSeq":${span.last},"count":${span.last - span.first + 1}`;
    const times = `${bound("from", fromUs)}${bound("to", toUs)}`;
    yield `${headOf("loss", outcome.lane)}${seqs},"reason":${JSON.stringify(reason)}${times}}\n`;
  }
}

function* deadLetterLines(outcome: Outcome, body: Body<"dead-letter">): Generator<string> {
  const { reason, first, count, codec, rawBytes, repeated, clock, bytes } = body;
  const block = `"blockFirst":${first},"blockCount":${count},"codec":${codec},"rawBytes":${rawBytes}`;
  const times = `"clock":"${clock.quality}","clockSegment":${clock.segment},"clockOffsetUs":${clock.offsetUs}`;
  const tail = `${block},${times}${repeated ? ',"repeated":true' : ""},"payloadBase64":"${base64(bytes)}"`;
  for (const span of outcome.spans) {
    const seqs = `,"firstSeq":${span.first},"lastSeq":${span.last},"count":${span.last - span.first + 1}`;
    yield `${headOf("dead-letter", outcome.lane)}${seqs},"reason":${JSON.stringify(reason)},${tail}}\n`;
  }
}

function headOf(kind: string, { agent, stream, epoch }: Lane): string {
  const [agentText, streamText, epochText] = [agent, stream, epoch].map((text) => JSON.stringify(text));
  return `{"kind":"${kind}","agent":${agentText},"stream":${streamText},"epoch":${epochText}`;
}

function seriesPiece({ name, unit, labels, stamped }: Series): string {
  const unitPiece = unit === undefined ? "" : `,"unit":${JSON.stringify(unit)}`;
  const labelsPiece = labels === undefined ? "" : `,"labels":${JSON.stringify(labels)}`;
  const timePiece = stamped ? "" : ',"sensorTime":true';
  return `,"name":${JSON.stringify(name)}${unitPiece}${labelsPiece}${timePiece}`;
}

function scalar(value: number | string | boolean): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "boolean") return value ? "true" : "false";
  // JSON has a minus zero although JSON.stringify does not write it, and it has no infinities.
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  if (!Number.isFinite(value)) throw unwritable("a value that is not finite");
  return String(value);
}

function isTime(timeUs: number): boolean {
  return timeUs >= timeUsMin && timeUs <= timeUsMax && Number.isInteger(timeUs);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function unwritable(why: string): Fault {
  return new Fault("bad-input", { what: "a reading cannot be written to the queue", why: `it has ${why}` });
}
