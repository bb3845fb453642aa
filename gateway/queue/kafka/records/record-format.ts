/** The records of RECORDS.md as the queue's rules use them. */
import type { RecordFormat } from "./format.ts";
import { nameReader } from "./record-names.ts";
import type { RecordOptions } from "./record-rules.ts";
import { isOwnTopic, recordsOf, topicsOf } from "./records.ts";

/** What is settled for the life of a queue; the rest is known with each transaction. */
export type RecordSettings = Omit<RecordOptions, "shard" | "partitionsOf">;

export function recordFormat(settings: RecordSettings): RecordFormat {
  /** Made anew each time: what a record may take can change. */
  const anywhere = (): RecordOptions => ({ ...settings, shard: 0, partitionsOf: () => 1 });
  return {
    topicsOf: (outcomes) => topicsOf(outcomes, settings),
    records: (outcomes, { shard, partitionsOf, replay = null, ...writing }) =>
      recordsOf(outcomes, { ...settings, shard, partitionsOf }, { ...writing, replay }),
    refusal(outcome) {
      for (const { headers } of recordsOf([outcome], anywhere(), { t: 0, nowMs: 0, replay: null })) {
        const isDead = headers.some(([name, value]) => name === "kind" && value === "dead-letter");
        if (isDead) return String(headers.find(([name]) => name === "reason")?.[1]);
      }
      return undefined;
    },
    nameOf: nameReader(),
    isOwn: (topic) => isOwnTopic(topic, settings),
  };
}
