import type { Queue } from "../../gateway/queue/queue.ts";
import { fakeCluster } from "../fakes/kafka-cluster.ts";
import { kafkaLine } from "../fakes/kafka-lines.ts";
import { openTestQueue, topicsIn } from "../fakes/kafka-queue.ts";
import { queueContract } from "./queue.ts";

for (const shards of [1, 3]) {
  queueContract(`Kafka's rules over a cluster in memory, ${shards} shards`, () => {
    const topics = topicsIn("holdfast");
    const { readings, losses, deadLetters, positions } = topics;
    const cluster = fakeCluster({
      topics: { [readings]: 1, [losses]: 1, [deadLetters]: 1, [positions]: shards },
      nowMs: () => performance.now(),
    });
    let groupId: string | null = null;
    return {
      async open(): Promise<Queue> {
        const queue = await openTestQueue(cluster.connect(), topics, groupId);
        groupId = queue.groupId;
        return queue;
      },
      lines: async () =>
        [readings, losses, deadLetters].flatMap((topic) => cluster.committed({ topic, partition: 0 }).map(kafkaLine)),
      setFull: undefined,
    };
  });
}
