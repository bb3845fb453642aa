/**
 * What the replicated journal needs of JetStream, and no more. Two implementations: that of a real cluster (nats/), and
 * the simulated one that times out ambiguously, lets outdated leaders answer and loses minorities. One contract suite
 * runs against both; all the journal's rules are built on this seam.
 */

/** Largest message, and largest value of the archive: with its headers it fits the servers' default, 1 MiB. */
export const messageBytesMax = 1024 * 1024 - 4096;

/** A message as it stands in the stream. */
export interface StoredMessage {
  readonly subject: string;
  /** Its stream sequence, from 1. */
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/**
 * What became of a write that names what it expects to follow.
 * `stored`: it is durable on a quorum, under this sequence or revision; `overtaken`: what it expected is not the newest
 * any more, which also a write says that was stored, timed out and was sent again; `unsure`: no answer came in time: it
 * may have been stored, may still be, or never; `full`: the stream takes no more.
 */
export type Written =
  | { readonly outcome: "stored"; readonly seq: number }
  | { readonly outcome: "overtaken" | "unsure" | "full" };

/**
 * The messages of one journal. Names of subjects are those within it: words of letters, digits and `_-=/`, with dots
 * between. A prefix is whole words, each with its dot, or empty for all.
 */
export interface JournalStream {
  /**
   * Stores a message if `expected` is the sequence of its subject's newest one, 0 for none.
   * @throws StreamTrouble where it was surely not stored
   */
  publish(subject: string, expected: number, bytes: Uint8Array): Promise<Written>;
  /** The newest message of a subject, as the leader has it: an outdated leader may answer too. @throws StreamTrouble */
  newest(subject: string): Promise<StoredMessage | null>;
  /** Removes the messages of a subject below a sequence: none at 0 or 1. @throws StreamTrouble: then it may be done or not */
  purge(subject: string, below: number): Promise<void>;
  /**
   * The subjects below a prefix that hold messages, and a sequence: what was stored up to it and holds a message still
   * is among them.
   * @throws StreamTrouble
   */
  live(prefix: string): Promise<{ readonly lastSeq: number; readonly subjects: readonly string[] }>;
  /**
   * The messages below a prefix from a sequence on, oldest first, up to `messagesMax` and about `bytesMax`, at least one
   * where any is there; empty where none came within `waitMs`. Any replica may answer: one that lags behind gives fewer,
   * and leaves none out before those that it gives.
   * @throws StreamTrouble
   */
  read(prefix: string, from: number, limits: ReadLimits): Promise<readonly StoredMessage[]>;
  /** Bytes that the stream holds, and how many it may. @throws StreamTrouble */
  usage(): Promise<{ readonly bytes: number; readonly bytesMax: number }>;
}

export interface ReadLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly waitMs: number;
}

/** A value under a key, and its revision: it grows with each write of the bucket. */
export interface ArchiveEntry {
  readonly revision: number;
  readonly bytes: Uint8Array;
}

/** Small records beside the messages, each changed by compare-and-set. */
export interface JournalArchive {
  /** As the leader has it: an outdated leader may answer too. @throws StreamTrouble */
  get(key: string): Promise<ArchiveEntry | null>;
  /** Writes a value if `expected` is the revision of the key's latest one, 0 for none. @throws StreamTrouble */
  put(key: string, expected: number, bytes: Uint8Array): Promise<Written>;
  /** Removes a key that has this revision, which is never 0. @throws StreamTrouble */
  remove(key: string, expected: number): Promise<Written>;
  /** The keys below a prefix that have a value; one that is just being removed may be among them. @throws StreamTrouble */
  keys(prefix: string): Promise<readonly string[]>;
}

/**
 * Why a call failed. `away`: no leader answers now: the same may succeed later; `missing`: the stream or the bucket is
 * not there: nothing may be answered from it; `refused`: the cluster will not serve this client as it is.
 */
export type StreamTroubleKind = "away" | "missing" | "refused";

export class StreamTrouble extends Error {
  readonly kind: StreamTroubleKind;

  constructor(kind: StreamTroubleKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StreamTrouble";
    this.kind = kind;
  }
}
