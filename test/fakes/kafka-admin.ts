/** Settings of a Kafka queue, and a cluster's topics in memory. */
import type { ClusterAdmin, Creation, FoundTopic, NewTopic, Topic } from "../../gateway/queue/kafka/client/admin.ts";
import type { KafkaSettings } from "../../gateway/queue/kafka/settings.ts";

export const kafkaSettings: KafkaSettings = {
  brokers: ["k1:9092"],
  clientId: "test",
  namespace: "holdfast",
  topic: "holdfast.readings",
  key: "{agent}/{series}",
  format: "json",
  timestamp: "arrival",
  historicalAfterMs: 600_000,
  lossTopic: "holdfast.losses",
  deadLetterTopic: "holdfast.dead-letters",
  positionsTopic: "holdfast.positions",
  shards: 1,
  createTopics: true,
  partitions: 2,
  replication: 3,
  settleMs: 40_000,
  commitIntervalMs: 100,
  confirmCluster: null,
  security: { tls: null, login: null },
  properties: {},
  standby: null,
};

/** What Kafka's own defaults give a topic whose maker said no more. */
const defaults: Readonly<Record<string, string>> = {
  "cleanup.policy": "delete",
  "min.insync.replicas": "1",
  "unclean.leader.election.enable": "false",
  "max.message.bytes": "1048588",
  "min.compaction.lag.ms": "0",
  "retention.ms": "604800000",
  "message.timestamp.type": "CreateTime",
  "message.timestamp.before.max.ms": "9223372036854775807",
  "message.timestamp.after.max.ms": "3600000",
};

/** A topic that brokers 1, 2, … hold. */
export function foundTopic({ partitions, replication, configs }: Omit<NewTopic, "name">): FoundTopic {
  const copies = Array.from({ length: replication }, (_, at) => at + 1);
  return {
    state: "found",
    id: "id",
    replicas: Array.from({ length: partitions }, () => copies),
    missingRights: [],
    configs: new Map(Object.entries({ ...defaults, ...configs })),
  };
}

export interface FakeAdmin extends ClusterAdmin {
  readonly topics: Map<string, Topic>;
  readonly made: NewTopic[];
}

/** @param refusal answers every attempt to create a topic */
export function fakeAdmin(brokers = 3, refusal?: Extract<Creation, { result: "refused" }>): FakeAdmin {
  const topics = new Map<string, Topic>();
  const made: NewTopic[] = [];
  const describe = async (names: readonly string[]): Promise<readonly Topic[]> =>
    names.map((name) => topics.get(name) ?? { state: "absent" });
  return {
    topics,
    made,
    cluster: async () => ({ id: "cluster", brokers: Array.from({ length: brokers }, (_, at) => at + 1) }),
    names: async () => [...topics.keys()],
    describe,
    async create(topic, isTrial) {
      if (refusal !== undefined) return refusal;
      if (isTrial) return { result: "made" };
      made.push(topic);
      topics.set(topic.name, foundTopic(topic));
      return { result: "made" };
    },
    async whenThere(name) {
      return topics.get(name) as FoundTopic;
    },
    maySee: async () => true,
    mayWrite: async () => true,
    close: async () => {},
  };
}
