/** Records for the simulation: one for each seq, spread over the partitions of the data topic; losses in their own topic. */
import type { KafkaRecord } from "../../../gateway/queue/kafka/cluster.ts";
import type { RecordFormat } from "../../../gateway/queue/kafka/format.ts";
import type { RecordName } from "../../../gateway/queue/kafka/record-names.ts";
import type { Outcome } from "../../../gateway/queue/queue.ts";

export const dataTopic = "readings";
export const lossTopic = "losses";

export function countedFormat(namespace: string, partitions: number): RecordFormat {
  return {
    topicsOf: () => [],
    *records(outcomes: readonly Outcome[], { shard, t }): Generator<KafkaRecord> {
      for (const { lane, spans, block, body } of outcomes) {
        const isLoss = body.kind !== "readings";
        for (const span of spans) {
          for (let seq = span.first; seq <= span.last; seq++) {
            const opens = seq === span.first;
            const closes = seq === span.last;
            const before = seq === block.first ? block.before : null;
            const after = seq === block.first + block.count - 1 ? block.after : null;
            const at = { lane, first: seq, last: seq, before, after, opens, closes };
            const name: RecordName = { ...at, namespace, shard, t, kind: "reading", replay: null };
            yield {
              topic: isLoss ? lossTopic : dataTopic,
              partition: isLoss ? 0 : seq % partitions,
              key: null,
              value: Buffer.from(`${seq}`),
              timestampMs: 0,
              headers: [["name", JSON.stringify(name)]],
            };
          }
        }
      }
    },
    nameOf(headers) {
      const found = headers.find(([name]) => name === "name");
      return found === undefined ? "foreign" : (JSON.parse(String(found[1])) as RecordName);
    },
    isOwn: (topic) => topic === dataTopic || topic === lossTopic,
  };
}
