/** Outcomes to records, and the topics that they need: RECORDS.md describes them. Pure. */
import type { Outcome } from "../../queue.ts";
import type { KafkaRecord } from "../cluster.ts";
import { batchRecord, deadLetterRecord, lossRecord } from "./block-records.ts";
import { readingRecords } from "./reading-records.ts";
import { laneHeaders } from "./record-names.ts";
import type { RecordOptions, Writing } from "./record-rules.ts";

type RecordPlaces = Pick<RecordOptions, "topics" | "format" | "lossTopic" | "deadLetterTopic">;

/** The topics that the records of these outcomes can need: they must be there before the transaction begins. */
export function topicsOf(outcomes: Iterable<Outcome>, options: RecordPlaces): Set<string> {
  const { topics, format, lossTopic, deadLetterTopic } = options;
  const needed = new Set([deadLetterTopic]);
  for (const { lane, body } of outcomes) {
    if (body.kind === "dead-letter") continue;
    if (body.kind === "loss") needed.add(lossTopic ?? topics.of(lane.agent, lane.stream, ""));
    else if (format === "batch") needed.add(topics.of(lane.agent, lane.stream, ""));
    else for (const { name } of body.columns.series) needed.add(topics.of(lane.agent, lane.stream, name));
  }
  return needed;
}

/** True for a topic that records of this queue can go to. */
export function isOwnTopic(topic: string, { topics, lossTopic, deadLetterTopic }: RecordPlaces): boolean {
  return topic === lossTopic || topic === deadLetterTopic || topics.isOwn(topic);
}

/**
 * The records of `outcomes`, in their order.
 * @throws Fault `bad-input` where a row holds what no reading can
 */
export function* recordsOf(
  outcomes: Iterable<Outcome>,
  options: RecordOptions,
  writing: Writing,
): Generator<KafkaRecord> {
  for (const outcome of outcomes) {
    const { body, spans, lane } = outcome;
    const context = { ...writing, options, outcome, shared: laneHeaders({ ...options, ...writing }, lane) };
    if (body.kind === "loss") for (const span of spans) yield lossRecord(context, body.loss, span);
    else if (body.kind === "dead-letter") {
      for (const span of spans) yield deadLetterRecord(context, body, span, span);
    } else if (options.format === "batch") for (const span of spans) yield batchRecord(context, body, span);
    else yield* readingRecords(context, body, options.format);
  }
}
