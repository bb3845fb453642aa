/**
 * A Kafka cluster as the end of the demo's line: each run has a namespace and topics of its own, so that runs on one
 * cluster never meet, and nothing that was there before is touched.
 */
import { randomBytes } from "node:crypto";
import { Admin } from "@platformatic/kafka";
import { connectCluster } from "../../gateway/queue/kafka/client/client.ts";
import { ClusterError, type KafkaCluster } from "../../gateway/queue/kafka/cluster.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import type { Voice } from "../../shared/voice.ts";
import type { DemoQueue, QueueServer } from "../queue.ts";
import { until } from "../waiting.ts";
import { followTopics, readRecords, textOf } from "./read-topics.ts";
import { sabotageTopic } from "./sabotage.ts";

const settle = "2s";
const answerMs = 5_000;
const patienceMs = 10_000;

/** Reads the lines of topics; two of them share nothing but what stands in the cluster. */
export type LineReader = (topics: readonly string[], take: (text: string) => void) => Promise<void>;

export interface ClusterQueueOptions {
  /** Null reads with the project's own client. */
  readonly reader: LineReader | null;
  readonly server: QueueServer | null;
}

/** @throws Fault `unavailable` where the client is not installed, or no broker answers */
export async function openClusterQueue(
  brokers: readonly string[],
  voice: Voice,
  { reader, server }: ClusterQueueOptions = { reader: null, server: null },
): Promise<DemoQueue> {
  const namespace = `demo-${randomBytes(4).toString("hex")}`;
  const data = ["readings", "losses", "dead-letters"].map((kind) => `${namespace}.${kind}`);
  const [topic = "", lossTopic, deadLetterTopic] = data;
  const cluster = await connected(brokers);
  const bootstrap = brokers.join(",");
  voice.note(`The queue is in the Kafka cluster at ${bootstrap}, in the topics ${namespace}.*`);
  return {
    section: {
      engine: "kafka",
      kafka: {
        brokers,
        namespace,
        ...{ topic, lossTopic, deadLetterTopic, settle },
        // The demo must run on one broker, and its readings have times that Kafka would delete them by.
        ...{ replication: 1, partitions: 3, timestamp: "arrival" },
      },
    },
    follow: () => followTopics(cluster, data),
    async read(_line, take) {
      if (reader !== null) return await reader(data, take);
      for (const name of data) await readRecords(cluster, name, (record) => take(textOf(record)));
    },
    describe: () => ({
      watch: `kcat -C -b ${bootstrap} -t ${topic} -X isolation.level=read_committed`,
      where: `in the topics ${namespace}.* of ${bootstrap}`,
    }),
    spoil: (_line, how) => sabotageTopic(cluster, brokers, topic, how),
    server,
    async close(forget) {
      await cluster.close();
      if (forget) await remove(brokers, [...data, `${namespace}.positions`], voice);
    },
  };
}

async function connected(brokers: readonly string[]): Promise<KafkaCluster> {
  const nowMs = (): number => performance.now();
  const common = { brokers, clientId: "holdfast-demo", properties: {} };
  const cluster = await connectCluster({ ...common, answerMs, patienceMs, nowMs });
  try {
    await cluster.clusterId();
    return cluster;
  } catch (error) {
    await cluster.close();
    if (!(error instanceof ClusterError)) throw error;
    throw new Fault("unavailable", {
      what: `no Kafka cluster answers at ${brokers.join(",")}`,
      why: error.message,
      remedy: "give --kafka the address of a broker that takes plain connections; npm run demo:kafka starts one",
      cause: error,
    });
  }
}

/** A cluster of others is left as it was found; where that may not be, it is said. */
async function remove(brokers: readonly string[], topics: string[], voice: Voice): Promise<void> {
  const admin = new Admin({ clientId: "holdfast-demo", bootstrapBrokers: [...brokers], timeout: answerMs, retries: 1 });
  try {
    await admin.deleteTopics({ topics });
    const isGone = async (): Promise<boolean> => {
      const found = await admin.listTopics();
      return topics.every((topic) => !found.includes(topic));
    };
    await until("its topics are removed", isGone, answerMs);
  } catch (error) {
    voice.note(`The topics ${topics.join(", ")} could not be removed: ${messageOf(error)}`);
  } finally {
    await admin.close().catch(() => undefined);
  }
}
