/**
 * Topics that were deleted with what a shard had released there. The journal has let go of it, and nobody can write it
 * again: all that is left to do is to name it, once, when a term begins. Pure.
 */
import type { TopicInfo } from "../cluster.ts";
import { basesOn, type ShardRecord } from "../records/position-records.ts";

export interface VanishedTopic {
  readonly topic: string;
  /** Whether another topic has its name now. */
  readonly isMadeAnew: boolean;
  /** What was released there belongs to transactions up to this one. */
  readonly baseT: number;
  /** By partition: it stood below these offsets. */
  readonly offsets: readonly number[];
}

/** Partitions that a sentence names. */
const namedMax = 16;

/**
 * What of the bases is no longer there.
 * @param shard as the positions have it; of the cluster that is asked, since on another one every topic is another
 * @param topics all that this client may see
 */
export function vanishedTopics(shard: ShardRecord, topics: ReadonlyMap<string, TopicInfo>): VanishedTopic[] {
  return Object.entries(shard.bases).flatMap(([topic, { newest }]) => {
    const found = topics.get(topic);
    if (found !== undefined && basesOn(shard, topic, found.id) !== undefined) return [];
    if (newest.every((offset) => offset === 0)) return [];
    return [{ topic, isMadeAnew: found !== undefined, baseT: shard.baseT, offsets: newest }];
  });
}

export function vanishedText(shard: number, { topic, isMadeAnew, baseT, offsets }: VanishedTopic): string {
  const what = isMadeAnew ? "was deleted and made anew" : "is gone, or hidden from the gateway";
  const named = offsets.slice(0, namedMax).join(", ") + (offsets.length > namedMax ? ", …" : "");
  return (
    `The topic ${topic} ${what}. What shard ${shard} had released there stood below the offsets ${named} of its ` +
    `partitions, of transactions up to ${baseT}; nobody can write it again.`
  );
}
