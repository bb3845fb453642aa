/** Records that carry no single reading: blocks of the batch format, loss records, dead letters. */
import type { LossRecord } from "../../../../shared/block/loss.ts";
import type { Clock } from "../../../../shared/protocol/messages.ts";
import type { Span } from "../../../../shared/ranges.ts";
import { lossText } from "../../lines.ts";
import { rowReader } from "../../rows.ts";
import { timeFormatter } from "../../times.ts";
import type { KafkaRecord } from "../cluster.ts";
import { partitionOf } from "./partition.ts";
import { edgeHeaders, type Header, partHeaders, type RecordKind } from "./record-names.ts";
import {
  type Body,
  clockHeader,
  historicalHeader,
  isHistorical,
  marginBytes,
  marksOf,
  type RecordContext,
  timestampOf,
} from "./record-rules.ts";
import { encodeBatch } from "./value-batch.ts";

/** A reason may quote what it found; a header is for people. */
const reasonLengthMax = 500;

/** The record of a block, as far as it fills a span, with the time of its latest reading there; or its dead letter. */
export function batchRecord(context: RecordContext, body: Body<"readings">, span: Span): KafkaRecord {
  const { options, outcome } = context;
  const { agent, stream } = outcome.lane;
  const value = valueOfBlock(context, body.clock, span);
  if (value.length + marginBytes > options.recordBytesMax) {
    const reason = `the block takes more than the ${options.recordBytesMax} bytes of a record`;
    return deadLetterRecord(context, { clock: body.clock, reason }, span, span);
  }
  const read = rowReader(body);
  let latestUs = 0;
  for (let seq = span.first; seq <= span.last; seq++) latestUs = Math.max(latestUs, read(seq).timeUs);
  const more: Header[] = [...clockHeader(body.clock.quality)];
  if (isHistorical(context, latestUs, body.clock.quality)) more.push(historicalHeader);
  const topic = options.topics.of(agent, stream, "");
  const key = options.keyOf(agent, stream, "");
  return recordOf(context, { kind: "batch", topic, key, value, timeUs: latestUs }, span, span, more);
}

/** The record of the lost seqs of one span: JSON in every format. It is dated by its arrival, which is its own time. */
export function lossRecord(context: RecordContext, loss: LossRecord, span: Span): KafkaRecord {
  const { options, outcome } = context;
  const { agent, stream } = outcome.lane;
  const topic = options.lossTopic ?? options.topics.of(agent, stream, "");
  const value = Buffer.from(lossText(outcome.lane, loss, span, timeFormatter()));
  return recordOf(context, { kind: "loss", topic, key: Buffer.from(agent), value, timeUs: null }, span, span, []);
}

/**
 * The record of a block, or of some of its readings, that cannot be written otherwise. It is dated by its arrival, so
 * that it is kept for as long as that topic keeps anything.
 * @param part the seqs that it settles, of those that the block fills
 */
export function deadLetterRecord(
  context: RecordContext,
  { clock, reason }: { readonly clock: Clock; readonly reason: string },
  span: Span,
  part: Span,
): KafkaRecord {
  const { options, outcome, onDeadLetter } = context;
  const { agent, stream } = outcome.lane;
  const topic = options.deadLetterTopic;
  onDeadLetter?.();
  const key = Buffer.from(`${agent}/${stream}`);
  const value = valueOfBlock(context, clock, part);
  // A NUL would end the text where C reads it.
  const more: Header[] = [["reason", reason.slice(0, reasonLengthMax).replaceAll("\0", "\ufffd")]];
  return recordOf(context, { kind: "dead-letter", topic, key, value, timeUs: null }, span, part, more);
}

function valueOfBlock({ outcome: { lane, block } }: RecordContext, clock: Clock, { first, last }: Span): Uint8Array {
  return encodeBatch({ lane, first, last, clock, block });
}

interface Content {
  readonly kind: RecordKind;
  readonly topic: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly timeUs: number | null;
}

function recordOf(
  context: RecordContext,
  content: Content,
  span: Span,
  part: Span,
  more: readonly Header[],
): KafkaRecord {
  const { options, outcome, shared } = context;
  const { kind, topic, key, value, timeUs } = content;
  return {
    topic,
    partition: partitionOf(key, options.partitionsOf(topic)),
    key,
    value,
    timestampMs: timeUs === null ? null : timestampOf(context, timeUs),
    headers: [
      ...shared,
      ...partHeaders(kind, part),
      ...edgeHeaders(outcome.block, span, part),
      ...more,
      ...marksOf(context),
    ],
  };
}
