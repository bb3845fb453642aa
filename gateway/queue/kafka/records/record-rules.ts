/** What decides how outcomes become records: the options, and the rules for times and marks. */
import type { ClockQuality } from "../../../../shared/protocol/messages.ts";
import type { Outcome } from "../../queue.ts";
import type { Row } from "../../rows.ts";
import type { KeyOf, TopicNames } from "../topics/topic-names.ts";
import type { Header, laneHeaders } from "./record-names.ts";

export const valueFormats = ["json", "senml", "cbor", "batch"] as const;
export type ValueFormat = (typeof valueFormats)[number];

export interface RecordOptions {
  readonly namespace: string;
  readonly shard: number;
  readonly format: ValueFormat;
  /** Where readings go; the batch format knows no series. */
  readonly topics: TopicNames;
  readonly keyOf: KeyOf;
  /** Null puts loss records beside the data: the template of topics must not name the series then. */
  readonly lossTopic: string | null;
  readonly deadLetterTopic: string;
  /** The timestamp of a record: the time of its reading, or that of its arrival in the cluster. */
  readonly timestamp: "reading" | "arrival";
  /** Readings that are older than this when they are written are marked `historical`. */
  readonly historicalAfterMs: number;
  /** What is larger becomes a dead letter: key, value and headers of a record together. */
  readonly recordBytesMax: number;
  /** The partitions of a topic that `topicsOf` named, at least 1. */
  partitionsOf(topic: string): number;
}

/** What is known of a transaction when it is written. */
export interface Writing {
  readonly t: number;
  /** The gateway's wall clock, ms since 1970. */
  readonly nowMs: number;
  /** Names the replay of a dead letter that this is; its seqs were settled before. */
  readonly replay: string | null;
  /** Called for each record that is a dead letter. */
  readonly onDeadLetter?: (() => void) | undefined;
}

/** What the records of one outcome share. */
export interface RecordContext extends Writing {
  readonly options: RecordOptions;
  readonly outcome: Outcome;
  /** The headers that name its lane. */
  readonly shared: ReturnType<typeof laneHeaders>;
}

export type Body<K> = Extract<Outcome["body"], { kind: K }>;

/** Brokers refuse timestamps more than an hour ahead of their own clock (`message.timestamp.after.max.ms`). */
const aheadMsMax = 10 * 60_000;
/** Headers and framing of the largest record, apart from the reason of a dead letter. */
export const marginBytes = 1_024;

/** The timestamp of a record; null leaves it to the client, which takes the time of arrival. */
export function timestampOf({ options, nowMs }: RecordContext, timeUs: number): number | null {
  const timeMs = Math.floor(timeUs / 1000);
  if (options.timestamp === "arrival" || timeMs > nowMs + aheadMsMax) return null;
  // librdkafka takes 0 for none.
  return Math.max(timeMs, 1);
}

/** True where a reading is known to be old: of an unsynced clock nobody knows. */
export function isHistorical({ options, nowMs }: RecordContext, timeUs: number, clock: ClockQuality): boolean {
  return clock !== "unsynced" && nowMs - timeUs / 1000 > options.historicalAfterMs;
}

const clockHeaders: Record<ClockQuality, readonly Header[]> = {
  synced: [],
  corrected: [["clock", "corrected"]],
  unsynced: [["clock", "unsynced"]],
};

/** A header costs librdkafka's binding 0.65 µs (measured), so the usual quality goes without saying. */
export function clockHeader(quality: ClockQuality): readonly Header[] {
  return clockHeaders[quality];
}

export const historicalHeader: Header = ["historical", "true"];

/** The headers that all of an outcome's records have, or none. */
export function marksOf({ outcome, replay }: RecordContext): Header[] {
  const marks: Header[] = outcome.block.repeated ? [["repeated", "true"]] : [];
  if (outcome.isDoubted === true) marks.push(["maybe-repeated", "true"]);
  if (replay !== null) marks.push(["replay", replay]);
  return marks;
}

/** How a format writes a row. */
export type RowWriter = (row: Row) => string | Uint8Array;
