/** Reads the demo's topics with the project's own client: committed records only, each once. */
import { setTimeout as wait } from "node:timers/promises";
import { ClusterError, type KafkaCluster, type Place, type StoredRecord } from "../../gateway/queue/kafka/cluster.ts";
import { type Follower, lineCounter } from "../read-queue.ts";
import { until } from "../waiting.ts";
import { lineOf } from "./lines.ts";

const everyMs = 250;
const decidedWithinMs = 30_000;

/** Calls `take` with every committed record of a topic, partition by partition, once all transactions are decided. */
export async function readRecords(
  cluster: KafkaCluster,
  topic: string,
  take: (record: StoredRecord) => void,
): Promise<void> {
  for (const place of await placesOf(cluster, [topic])) {
    const end = await until(
      `all transactions in ${topic} are decided`,
      async () => {
        const { stable, high } = await cluster.watermarks(place);
        return stable === high && { offset: high };
      },
      decidedWithinMs,
    );
    await cluster.read(place, (await cluster.watermarks(place)).low, end.offset, take);
  }
}

/** Counts records as they are committed, while brokers come and go. */
export function followTopics(cluster: KafkaCluster, topics: readonly string[]): Follower {
  const counter = lineCounter();
  const next = new Map<string, number>();
  const stopping = new AbortController();

  async function look(): Promise<void> {
    for (const place of await placesOf(cluster, topics)) {
      const key = `${place.topic}/${place.partition}`;
      const { stable } = await cluster.watermarks(place);
      await cluster.read(place, next.get(key) ?? 0, stable, (record) => {
        counter.take(textOf(record));
        // At once: a read that fails on its way must not count again what it had read.
        next.set(key, record.offset + 1);
      });
      if (stopping.signal.aborted) return;
    }
  }

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      await look().catch((error: unknown) => {
        if (!(error instanceof ClusterError)) throw error;
      });
      await wait(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const following = follow();
  return {
    count: counter.count,
    async stop() {
      stopping.abort();
      await following;
    },
  };
}

async function placesOf(cluster: KafkaCluster, topics: readonly string[]): Promise<Place[]> {
  const known = await cluster.topics();
  return topics.flatMap((topic) =>
    Array.from({ length: known.get(topic)?.partitions ?? 0 }, (_, partition): Place => ({ topic, partition })),
  );
}

/** A record as a line of the queue. */
export function textOf({ headers, value }: StoredRecord): string {
  const texts = headers.map(([name, text]): [string, string] => [name, Buffer.from(text).toString()]);
  return lineOf({ headers: texts, value: value === null ? null : Buffer.from(value).toString() });
}
