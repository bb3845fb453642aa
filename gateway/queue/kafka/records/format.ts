/** What the queue's rules need to know of records: how outcomes become records, and which name a record carries. */
import type { Outcome } from "../../queue.ts";
import type { KafkaRecord } from "../cluster.ts";
import type { RecordName } from "./record-names.ts";

/** What is known of a transaction when its records are made. */
export interface Transaction {
  readonly shard: number;
  readonly t: number;
  /** The gateway's wall clock, ms since 1970. */
  readonly nowMs: number;
  /** The dead letter whose replay the outcomes are; absent where they are settled for the first time. */
  readonly replay?: string | undefined;
  /** Called for each record that is a dead letter. */
  readonly onDeadLetter?: (() => void) | undefined;
  /** The partitions of a topic that `topicsOf` named. */
  partitionsOf(topic: string): number;
}

export interface RecordFormat {
  /** The topics that must be there before the records of these outcomes can be written. */
  topicsOf(outcomes: readonly Outcome[]): Iterable<string>;
  /** The records of a transaction's outcomes, in order. */
  records(outcomes: readonly Outcome[], transaction: Transaction): Iterable<KafkaRecord>;
  /** Why records of an outcome would be dead letters; undefined where none would be. */
  refusal(outcome: Outcome): string | undefined;
  /** `"foreign"` for a record that no Holdfast wrote; undefined for one of Holdfast's whose name cannot be read. */
  nameOf(headers: KafkaRecord["headers"]): RecordName | "foreign" | undefined;
  /** True for the topics that records can go to. */
  isOwn(topic: string): boolean;
}
