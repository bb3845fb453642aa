/** Records for the simulation: one for each seq, spread over the partitions of the data topic; losses in their own topic. */
import type { KafkaRecord } from "../../../gateway/queue/kafka/cluster.ts";
import type { OwnedName, RecordFormat } from "../../../gateway/queue/kafka/format.ts";
import type { Outcome } from "../../../gateway/queue/queue.ts";

export const dataTopic = "readings";
export const lossTopic = "losses";

export function countedFormat(namespace: string, shardOf: (agent: string) => number, partitions: number): RecordFormat {
  return {
    *records(outcomes: readonly Outcome[], t: number): Generator<KafkaRecord> {
      for (const { lane, spans, block, body } of outcomes) {
        const isLoss = body.kind !== "readings";
        for (const span of spans) {
          for (let seq = span.first; seq <= span.last; seq++) {
            const before = seq === block.first ? block.before : null;
            const after = seq === block.first + block.count - 1 ? block.after : null;
            const shard = shardOf(lane.agent);
            const name: OwnedName = { namespace, shard, t, lane, first: seq, last: seq, before, after };
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
      return found === undefined ? undefined : (JSON.parse(String(found[1])) as OwnedName);
    },
    isOwn: (topic) => topic === dataTopic || topic === lossTopic,
  };
}
