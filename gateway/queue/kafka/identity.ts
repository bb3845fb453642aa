/** Which queue a positions topic holds, and whether it is the one that is meant. Pure. */
import { Fault } from "../../../shared/errors.ts";
import type { QueueRecord } from "./records/position-records.ts";

export interface Expected extends Pick<QueueRecord, "clusterId" | "namespace" | "shards"> {
  readonly positionsTopic: string;
  /** The group that agents may have been told of; null where a queue may be made. */
  readonly groupId: string | null;
  /** The queue of a group that is to be made in an empty topic; null where it must be there. */
  readonly make: Pick<QueueRecord, "groupId" | "queueId"> | null;
  /** True where lost positions are to be made anew. */
  readonly isRebuilt: boolean;
  /** The cluster that the operator means, where the queue was moved to another one. */
  readonly confirmCluster: string | null;
}

export interface Identified {
  readonly identity: QueueRecord;
  /** True where its record is to be written. */
  readonly isNew: boolean;
}

/**
 * @param found the record in the positions, undefined where there is none
 * @throws Fault where it is not the queue that is expected
 */
export function identify(found: QueueRecord | undefined, expected: Expected, newId: () => string): Identified {
  const { clusterId, namespace, shards, positionsTopic, groupId, make, isRebuilt, confirmCluster } = expected;
  if (found !== undefined && isRebuilt) {
    throw new Fault("usage", {
      what: `the topic ${positionsTopic} holds the queue of group ${found.groupId}`,
      remedy: "nothing is to be rebuilt; to rebuild it all the same, delete the topic and create it again first",
    });
  }
  if (found === undefined) {
    if (groupId !== null && make === null && !isRebuilt) {
      throw new Fault("damaged", {
        what: `the topic ${positionsTopic} does not hold the queue of group ${groupId}`,
        why: `it is empty, as after it was deleted and made again, or ${clusterId} is another cluster`,
        remedy:
          "check queue.kafka.brokers; where the topic was lost, run `holdfast-gateway positions rebuild`; to begin a " +
          "new queue, remove group.id from the state folder, and run `holdfast-agent move` on each agent",
      });
    }
    const ids = make ?? { queueId: newId(), groupId: groupId ?? newId() };
    return { identity: { ...ids, clusterId, namespace, shards }, isNew: true };
  }
  if (found.shards !== shards || found.namespace !== namespace) {
    throw new Fault("config", {
      what: `the topic ${positionsTopic} belongs to namespace ${found.namespace} with ${found.shards} shards`,
      why: `the configuration says namespace ${namespace}, and the topic has ${shards} partitions`,
      remedy: "both are fixed when the queue is made: put them back as they were",
    });
  }
  if (found.clusterId === clusterId) return { identity: found, isNew: false };
  // A copy of the topics knows nothing of what was written to the original since.
  if (confirmCluster !== clusterId) {
    throw new Fault("config", {
      what: `the queue in ${positionsTopic} belongs to the cluster ${found.clusterId}, and this is ${clusterId}`,
      why: "its topics were copied or moved here, or the brokers are another cluster's",
      remedy: `check queue.kafka.brokers; where the queue was moved for good, set queue.kafka.confirmCluster to ${clusterId}`,
    });
  }
  return { identity: { ...found, clusterId }, isNew: true };
}
