/** The records of RECORDS.md as the queue's rules use them. */
import type { RecordFormat } from "./format.ts";
import { nameReader } from "./record-names.ts";
import type { RecordOptions } from "./record-rules.ts";
import { isOwnTopic, recordsOf, topicsOf } from "./records.ts";

/** What is settled for the life of a queue; the rest is known with each transaction. */
export type RecordSettings = Omit<RecordOptions, "shard" | "partitionsOf">;

export function recordFormat(settings: RecordSettings): RecordFormat {
  const anywhere: RecordOptions = { ...settings, shard: 0, partitionsOf: () => 1 };
  return {
    topicsOf: (outcomes) => topicsOf(outcomes, anywhere),
    records: (outcomes, { shard, t, nowMs, partitionsOf }) =>
      recordsOf(outcomes, { ...settings, shard, partitionsOf }, { t, nowMs, replay: null }),
    nameOf: nameReader(),
    isOwn: (topic) => isOwnTopic(topic, anywhere),
  };
}
