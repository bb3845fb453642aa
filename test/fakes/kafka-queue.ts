/** A Kafka queue for tests: one topic for each kind of record, JSON, and a settle time that no test waits for. */

import type { KafkaCluster } from "../../gateway/queue/kafka/cluster.ts";
import { type KafkaQueue, type KafkaQueueOptions, openKafkaQueue } from "../../gateway/queue/kafka/kafka.ts";
import type { RecordFormat } from "../../gateway/queue/kafka/records/format.ts";
import { recordFormat } from "../../gateway/queue/kafka/records/record-format.ts";
import type { RoomKeeper } from "../../gateway/queue/kafka/room.ts";
import { keysOf, topicNames } from "../../gateway/queue/kafka/topics/topic-names.ts";
import { realEnv } from "../../shared/env.ts";
import { silent } from "./journal-in-memory.ts";

export interface QueueTopics {
  readonly namespace: string;
  readonly readings: string;
  readonly losses: string;
  readonly deadLetters: string;
  readonly positions: string;
}

export function topicsIn(namespace: string): QueueTopics {
  return {
    namespace,
    readings: `${namespace}.readings`,
    losses: `${namespace}.losses`,
    deadLetters: `${namespace}.dead-letters`,
    positions: `${namespace}.positions`,
  };
}

/** The records as the queue writes them where nothing else is said. */
export function testFormat(
  { namespace, readings, losses, deadLetters }: QueueTopics,
  recordBytesMax = () => 1_000_000,
): RecordFormat {
  return recordFormat({
    namespace,
    format: "json",
    topics: topicNames(readings, []),
    keyOf: keysOf("{agent}/{series}"),
    lossTopic: losses,
    deadLetterTopic: deadLetters,
    timestamp: "reading",
    historicalAfterMs: 600_000,
    get recordBytesMax() {
      return recordBytesMax();
    },
  });
}

/** Nothing is ever refused for its size. */
const room = { recordBytesMax: 1_000_000, batchBytesMax: 1_000_000 };
export const largeRoom: RoomKeeper = { now: () => room, shrink: (refused) => Promise.reject(refused) };

/** Opens the queue on a cluster that has the topics. */
export function openTestQueue(
  cluster: KafkaCluster,
  topics: QueueTopics,
  groupId: string | null,
  more: Partial<KafkaQueueOptions> = {},
): Promise<KafkaQueue> {
  return openKafkaQueue({
    cluster,
    env: { ...realEnv(), random: () => 0 },
    log: silent,
    format: testFormat(topics),
    namespace: topics.namespace,
    positionsTopic: topics.positions,
    deadLetterTopic: topics.deadLetters,
    settleMs: 20,
    room: largeRoom,
    groupId,
    makeTopic: (name) => Promise.reject(new Error(`${name} is not there`)),
    ...more,
  });
}
