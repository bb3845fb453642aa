/**
 * The lines of the queue: one JSON object per outcome of a seq, as FORMAT.md describes them and line.schema.json checks
 * them. Everything that the rows of a series share is written once as a prebuilt piece of JSON; a row then costs a few
 * string joins (measured: 2.8 million lines a second on one core).
 */
import type { Series } from "../../shared/block/columns.ts";
import type { LossRecord } from "../../shared/block/loss.ts";
import type { Span } from "../../shared/ranges.ts";
import type { Lane, Outcome } from "./queue.ts";
import { isTime, type Row, rowReader } from "./rows.ts";
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
    else if (body.kind === "loss") {
      for (const span of outcome.spans) yield `${lossText(outcome.lane, body.loss, span, format)}\n`;
    } else yield* deadLetterLines(outcome, body);
  }
}

type Body<K> = Extract<Outcome["body"], { kind: K }>;
type Format = (timeUs: number) => string;

function* readingLines(outcome: Outcome, body: Body<"readings">, format: Format): Generator<string> {
  const read = rowReader(body);
  const write = readingWriter(outcome.lane, body, format, "}\n");
  for (const { first, last } of outcome.spans) {
    for (let seq = first; seq <= last; seq++) yield write(read(seq));
  }
}

/**
 * Writes the rows of one block as JSON objects.
 * @param end what ends each: the brace, and whatever shall follow it
 */
export function readingWriter(
  lane: Lane,
  { columns, clock, repeated }: Pick<Body<"readings">, "columns" | "clock" | "repeated">,
  format: Format,
  end = "}",
): (row: Row) => string {
  const head = `${headOf("reading", lane)},"seq":`;
  const pieces = columns.series.map(seriesPiece);
  const numbers = pieces.map((piece) => `${piece},"value":`);
  const tailOf = (quality: string) => `,"clock":"${quality}"${repeated ? ',"repeated":true' : ""}${end}`;
  const [tail, unsyncedTail] = [tailOf(clock.quality), tailOf("unsynced")];
  return (row) => {
    const { index, value, timeUs } = row;
    const place = `${head}${row.seq},"time":"${format(timeUs)}","timeUs":${timeUs}`;
    const rest = row.clock === clock.quality ? tail : unsyncedTail;
    if (value instanceof Uint8Array) return `${place}${pieces[index]},"valueBase64":"${base64(value)}"${rest}`;
    return `${place}${numbers[index]}${scalar(value)}${rest}`;
  };
}

/** The JSON object that names the lost seqs of one span. */
export function lossText(lane: Lane, { reason, fromUs, toUs }: LossRecord, span: Span, format: Format): string {
  const bound = (name: string, timeUs: number | null) =>
    timeUs === null || !isTime(timeUs) ? "" : `,"${name}":"${format(timeUs)}","${name}Us":${timeUs}`;
  const times = `${bound("from", fromUs)}${bound("to", toUs)}`;
  return `${headOf("loss", lane)}${seqsOf(span)},"reason":${JSON.stringify(reason)}${times}}`;
}

function* deadLetterLines(outcome: Outcome, body: Body<"dead-letter">): Generator<string> {
  const { reason, first, count, codec, rawBytes, repeated, clock, bytes } = body;
  const block = `"blockFirst":${first},"blockCount":${count},"codec":${codec},"rawBytes":${rawBytes}`;
  const times = `"clock":"${clock.quality}","clockSegment":${clock.segment},"clockOffsetUs":${clock.offsetUs}`;
  const tail = `${block},${times}${repeated ? ',"repeated":true' : ""},"payloadBase64":"${base64(bytes)}"`;
  for (const span of outcome.spans) {
    yield `${headOf("dead-letter", outcome.lane)}${seqsOf(span)},"reason":${JSON.stringify(reason)},${tail}}\n`;
  }
}

function headOf(kind: string, { agent, stream, epoch }: Lane): string {
  const [agentText, streamText, epochText] = [agent, stream, epoch].map((text) => JSON.stringify(text));
  return `{"kind":"${kind}","agent":${agentText},"stream":${streamText},"epoch":${epochText}`;
}

function seqsOf({ first, last }: Span): string {
  return `,"firstSeq":${first},"lastSeq":${last},"count":${last - first + 1}`;
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
  // JSON has a minus zero although JSON.stringify does not write it.
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  return String(value);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
