/**
 * Readings to records, one each. What the rows of a block or of a series share is made once (measured on one core: 1.3
 * million records a second in JSON with all headers; a third of the time goes into the text, a fifth into its UTF-8, a
 * sixth into headers and objects. One large buffer for all values is no faster than a small one each).
 */
import type { Span } from "../../../../shared/ranges.ts";
import { readingWriter } from "../../lines.ts";
import { rowReader } from "../../rows.ts";
import { timeFormatter } from "../../times.ts";
import type { KafkaRecord } from "../cluster.ts";
import { deadLetterRecord } from "./block-records.ts";
import { partitionOf } from "./partition.ts";
import { edgeHeaders, type Header } from "./record-names.ts";
import {
  type Body,
  clockHeader,
  historicalHeader,
  isHistorical,
  marginBytes,
  marksOf,
  type RecordContext,
  type RowWriter,
  timestampOf,
  type ValueFormat,
} from "./record-rules.ts";
import { cborWriter } from "./value-cbor.ts";
import { senmlWriter } from "./value-senml.ts";

/** The records of an outcome's readings; what is too large for one becomes a dead letter. */
export function* readingRecords(
  context: RecordContext,
  body: Body<"readings">,
  format: Exclude<ValueFormat, "batch">,
): Generator<KafkaRecord> {
  const { options, outcome, shared } = context;
  const [writer, agent, stream, epoch] = shared;
  const { lane, spans, block } = outcome;
  const marks = marksOf(context);
  const read = rowReader(body);
  const write = writerOf(format, context, body);
  /** By series. */
  const places: (Pick<KafkaRecord, "topic" | "partition"> & { key: Uint8Array; valueBytesMax: number })[] = [];

  const placeOf = (index: number, name: string) => {
    const topic = options.topics.of(lane.agent, lane.stream, name);
    const key = options.keyOf(lane.agent, lane.stream, name);
    const partition = partitionOf(key, options.partitionsOf(topic));
    const valueBytesMax = options.recordBytesMax - marginBytes - key.length;
    return (places[index] = { topic, partition, key, valueBytesMax });
  };

  for (const span of spans) {
    let tooLarge: Span | undefined;
    for (let seq = span.first; seq <= span.last; seq++) {
      const row = read(seq);
      const { index, timeUs, clock } = row;
      const { topic, partition, key, valueBytesMax } = places[index] ?? placeOf(index, row.series.name);
      const written = write(row);
      const value = typeof written === "string" ? Buffer.from(written) : written;
      if (value.length > valueBytesMax) {
        tooLarge = { first: tooLarge?.first ?? seq, last: seq };
        continue;
      }
      if (tooLarge !== undefined) yield tooLargeLetter(context, body, span, tooLarge);
      tooLarge = undefined;
      const headers: Header[] = [writer, agent, stream, epoch, ["seq", String(seq)]];
      if (clock !== "synced") headers.push(...clockHeader(clock));
      if (isHistorical(context, timeUs, clock)) headers.push(historicalHeader);
      if (marks.length > 0) headers.push(...marks);
      if (seq === span.first || seq === span.last) {
        headers.push(...edgeHeaders(block, span, { first: seq, last: seq }));
      }
      yield { topic, partition, key, value, timestampMs: timestampOf(context, timeUs), headers };
    }
    if (tooLarge !== undefined) yield tooLargeLetter(context, body, span, tooLarge);
  }
}

function writerOf(
  format: Exclude<ValueFormat, "batch">,
  { outcome: { lane } }: RecordContext,
  body: Body<"readings">,
): RowWriter {
  if (format === "json") return readingWriter(lane, body, timeFormatter());
  if (format === "senml") return senmlWriter(body.columns);
  return cborWriter(lane, body.columns, body.repeated);
}

function tooLargeLetter(context: RecordContext, { clock }: Body<"readings">, span: Span, part: Span): KafkaRecord {
  const reason = `a record takes more than ${context.options.recordBytesMax} bytes`;
  return deadLetterRecord(context, { clock, reason }, span, part);
}
