/** What the queue's rules need to know of records: how outcomes become records, and which name a record carries. */
import type { Outcome } from "../queue.ts";
import type { KafkaRecord } from "./cluster.ts";
import type { Name } from "./found-names.ts";

/** The name of a record, and whose it is: one topic may serve several queues and shards. */
export interface OwnedName extends Name {
  readonly namespace: string;
  readonly shard: number;
}

export interface RecordFormat {
  /** The records of a transaction's outcomes, in order. */
  records(outcomes: readonly Outcome[], t: number): Iterable<KafkaRecord>;
  /** Undefined for a record that no Holdfast wrote. */
  nameOf(headers: KafkaRecord["headers"]): OwnedName | undefined;
  /** True for the topics that records can go to. */
  isOwn(topic: string): boolean;
}
