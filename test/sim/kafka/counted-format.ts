/**
 * Records for the simulation: one for each seq, spread over the partitions of the data topic; losses and dead letters in
 * topics of their own, a dead letter with its block as it is really written.
 */
import type { KafkaRecord } from "../../../gateway/queue/kafka/cluster.ts";
import type { RecordFormat, Transaction } from "../../../gateway/queue/kafka/records/format.ts";
import type { RecordName } from "../../../gateway/queue/kafka/records/record-names.ts";
import { encodeBatch } from "../../../gateway/queue/kafka/records/value-batch.ts";
import type { Outcome } from "../../../gateway/queue/queue.ts";
import type { Span } from "../../../shared/ranges.ts";
import { synced } from "../../fakes/agent-lane.ts";

export const dataTopic = "readings";
export const lossTopic = "losses";
export const deadLetterTopic = "dead-letters";

/** Readings that some gateways find too large, and others do not. */
export const isLarge = (seq: number): boolean => seq % 7 === 0;

/** @param isTooLarge tells of a reading whether it ends as a dead letter of its own; not every gateway finds the same */
export function countedFormat(
  namespace: string,
  partitions: number,
  isTooLarge: (seq: number) => boolean = () => false,
): RecordFormat {
  const seqsOf = ({ first, last }: Span): number[] => Array.from({ length: last - first + 1 }, (_, at) => first + at);

  function recordOf(
    { lane, block, body, isDoubted }: Outcome,
    span: Span,
    { first, last }: Span,
    { shard, t, replay: of }: Transaction,
  ): KafkaRecord {
    const [opens, closes] = [first === span.first, last === span.last];
    const before = first === block.first ? block.before : null;
    const after = last === block.first + block.count - 1 ? block.after : null;
    const replay = of ?? null;
    const isDead = body.kind === "dead-letter" || (body.kind === "readings" && isTooLarge(first));
    const kind = isDead ? "dead-letter" : "reading";
    const clock = body.kind === "loss" ? synced : body.clock;
    const at = { lane, first, last, before, after, opens, closes };
    const name: RecordName = { ...at, namespace, shard, t, kind, replay };
    const value = isDead ? encodeBatch({ lane, first, last, clock, block }) : Buffer.from(`${first}`);
    return {
      topic: isDead ? deadLetterTopic : body.kind === "loss" ? lossTopic : dataTopic,
      partition: !isDead && body.kind === "readings" ? first % partitions : 0,
      key: null,
      value,
      timestampMs: 0,
      headers: [["name", JSON.stringify(name)], ...(isDoubted === true ? [["maybe-repeated", "true"] as const] : [])],
    };
  }

  return {
    topicsOf: () => [],
    *records(outcomes, transaction) {
      for (const outcome of outcomes) {
        for (const span of outcome.spans) {
          if (outcome.body.kind === "dead-letter") yield recordOf(outcome, span, span, transaction);
          else {
            for (const seq of seqsOf(span)) yield recordOf(outcome, span, { first: seq, last: seq }, transaction);
          }
        }
      }
    },
    refusal({ body, spans }) {
      if (body.kind === "dead-letter") return body.reason;
      return body.kind === "readings" && spans.flatMap(seqsOf).some(isTooLarge) ? "too large" : undefined;
    },
    nameOf(headers) {
      const found = headers.find(([name]) => name === "name");
      return found === undefined ? "foreign" : (JSON.parse(String(found[1])) as RecordName);
    },
    isOwn: (topic) => [dataTopic, lossTopic, deadLetterTopic].includes(topic),
  };
}
