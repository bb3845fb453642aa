import type { Queue } from "../../gateway/queue/queue.ts";
import { kafkaLine } from "../fakes/kafka-lines.ts";
import { topicsIn } from "../fakes/kafka-queue.ts";
import { lightLedger } from "../fakes/light-ledger.ts";
import { twoClusters } from "../fakes/standby-queue.ts";
import { queueContract } from "./queue.ts";

for (const shards of [1, 3]) {
  queueContract(`two clusters in memory, ${shards} shards`, () => {
    const topics = topicsIn("holdfast");
    const { clusters, open } = twoClusters(topics, shards);
    const ledger = lightLedger(
      () => "journal",
      () => [],
    );
    return {
      open: (): Promise<Queue> => open(ledger),
      lines: async () =>
        [clusters.primary, clusters.standby].flatMap((cluster) =>
          [topics.readings, topics.losses, topics.deadLetters].flatMap((topic) =>
            cluster.committed({ topic, partition: 0 }).map(kafkaLine),
          ),
        ),
      setFull: undefined,
    };
  });
}
