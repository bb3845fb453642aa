/**
 * What the Kafka queue needs of a cluster, and no more. Two implementations: librdkafka's (client.ts), and the simulated
 * one that fences, aborts, times out ambiguously and loses tails and markers. All the queue's rules are built on this
 * seam, so that they can be tried against both.
 */

/** A partition of a topic. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
}

export interface KafkaRecord extends Place {
  readonly key: Uint8Array | null;
  /** Null deletes the key where the topic is compacted. */
  readonly value: Uint8Array | null;
  /** Milliseconds since 1970; null leaves it to the client. */
  readonly timestampMs: number | null;
  /** Names are ASCII; an order is kept. */
  readonly headers: readonly (readonly [name: string, value: Uint8Array | string])[];
}

/** A record as it stands in its partition. */
export interface StoredRecord extends KafkaRecord {
  readonly offset: number;
  readonly timestampMs: number;
}

/** Where a partition is: all offsets are exclusive ends, except `low`. */
export interface Watermarks {
  /** The first offset that retention has left. */
  readonly low: number;
  /** The last stable offset: below it every transaction is decided. */
  readonly stable: number;
  readonly high: number;
  /** Grows whenever the partition got a new leader, a restarted one included. */
  readonly leaderEpoch: number;
}

/** What the cluster remembers of a transactional id's latest transaction; `none` where it knows the id no more. */
export type TransactionState = "none" | "committed" | "aborted" | "open";

/**
 * Why a call failed, as the queue recovers from it (docs/design-kafka.md):
 * `retry`: the answer was lost or late: the same call again settles it; `abort`: abort the transaction, then send again;
 * `fenced`: another producer of the same transactional id took over; `restart`: nothing is known of the transaction any
 * more: a new producer, and the start from its first step; `too-large`: the broker refuses a record for its size;
 * `refused`: the cluster will not serve this client as it is (credentials, rights, a topic that is not there);
 * `away`: no broker answers now.
 */
export type ClusterTrouble = "retry" | "abort" | "fenced" | "restart" | "too-large" | "refused" | "away";

export class ClusterError extends Error {
  readonly trouble: ClusterTrouble;
  /** Where the trouble is, as far as that is known. */
  readonly place: Place | null;

  constructor(trouble: ClusterTrouble, message: string, place: Place | null = null) {
    super(message);
    this.name = "ClusterError";
    this.trouble = trouble;
    this.place = place;
  }
}

/** One transactional id; one transaction at a time. All calls reject with ClusterError. */
export interface TransactionalProducer {
  /** Takes the id over: fences whoever had it, and finishes or aborts what that one left open. */
  init(): Promise<void>;
  /**
   * Sends `records` in one transaction and leaves it open.
   * @returns the offset of the last record of each partition, in no order
   */
  send(records: Iterable<KafkaRecord>): Promise<readonly (Place & { readonly offset: number })[]>;
  /** Commits the open transaction. After `retry` it must be called again. */
  commit(): Promise<void>;
  /** Aborts the open transaction. After `retry` it must be called again. */
  abort(): Promise<void>;
  close(): Promise<void>;
}

export interface TopicInfo {
  /** Another one under the same name is another topic. */
  readonly id: string;
  readonly partitions: number;
}

/** A topic, and the leader epoch of each of its partitions. */
export interface LedTopic {
  readonly id: string;
  readonly leaderEpochs: readonly number[];
}

export interface KafkaCluster {
  /** Made once with the cluster. */
  clusterId(): Promise<string>;
  /** All topics that this client may see, by name. */
  topics(): Promise<ReadonlyMap<string, TopicInfo>>;
  watermarks(place: Place): Promise<Watermarks>;
  /** What the leaders themselves say of topics, at once for all of them; what is not there is missing. */
  leaders(topics: readonly string[]): Promise<ReadonlyMap<string, LedTopic>>;
  /**
   * Where in the present leader's log that ends which leaders up to an epoch have written, as an exclusive end: what one
   * of them has acknowledged behind it is lost.
   */
  endOfEpoch(place: Place, leaderEpoch: number): Promise<number>;
  /** Where the first record of an id's producer stands that no marker has decided; null where there is none. */
  openFrom(place: Place, transactionalId: string): Promise<number | null>;
  transactionState(transactionalId: string): Promise<TransactionState>;
  producer(transactionalId: string): TransactionalProducer;
  /**
   * Reads the committed records of a partition from `from` up to, but without, `end`, in order.
   * @param end at most the last stable offset
   * @param onRecord called for each; what it is given is not changed afterwards
   * @throws ClusterError `away` where the end is not reached within the client's patience
   */
  read(place: Place, from: number, end: number, onRecord: (record: StoredRecord) => void): Promise<void>;
  close(): Promise<void>;
}
