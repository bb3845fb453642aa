/** Dead letters as they stand in their topic: read back one by one, or all of them, by whoever may read the cluster. */
import { type FoundLetter, type Letter, letterId } from "../dead-letters.ts";
import type { KafkaCluster, Place, StoredRecord } from "./cluster.ts";
import type { RecordFormat } from "./records/format.ts";
import { decodePosition, type ReplayRecord } from "./records/position-records.ts";
import { decodeBatch } from "./records/value-batch.ts";
import { foldPositions, releasedOf } from "./shard/derive.ts";
import { stateOfReplay } from "./shard/replay.ts";

/** Where the dead letters of a queue are, and how its records are read. */
export interface LetterSource {
  readonly cluster: KafkaCluster;
  readonly namespace: string;
  readonly deadLetterTopic: string;
  readonly positionsTopic: string;
  readonly nameOf: RecordFormat["nameOf"];
}

/** Records that are held at once: each may have 256 kB. */
const recordsPerRead = 50;

/** The dead letter of a record; undefined for anything else. @throws Fault where its value cannot be read */
export function letterOf(
  { headers, value }: StoredRecord,
  { nameOf, namespace }: Pick<LetterSource, "nameOf" | "namespace">,
): Letter | undefined {
  const name = nameOf(headers);
  if (name === undefined || name === "foreign" || name.kind !== "dead-letter" || name.replay !== null) return undefined;
  if (name.namespace !== namespace || value === null) return undefined;
  const { lane, first, last, clock, block } = decodeBatch(value);
  const reason = headers.find(([header]) => header === "reason")?.[1] ?? "";
  const span = { first, last };
  const whole = { ...block, before: null, after: null };
  return { id: letterId(lane, span), lane, span, reason: Buffer.from(reason).toString(), clock, block: whole };
}

/** All dead letters that are committed, partition by partition, in flat memory. @throws ClusterError, Fault */
export async function* lettersIn(source: LetterSource): AsyncGenerator<FoundLetter> {
  const { cluster, deadLetterTopic, positionsTopic } = source;
  const topics = await cluster.topics();
  const replays = await replaysIn(cluster, positionsTopic, topics.get(positionsTopic)?.partitions ?? 0);
  for (let partition = 0; partition < (topics.get(deadLetterTopic)?.partitions ?? 0); partition++) {
    const place: Place = { topic: deadLetterTopic, partition };
    const { low, stable } = await cluster.watermarks(place);
    for (let from = low; from < stable; from += recordsPerRead) {
      const found: StoredRecord[] = [];
      await cluster.read(place, from, Math.min(from + recordsPerRead, stable), (record) => found.push(record));
      for (const record of found) {
        const letter = letterOf(record, source);
        if (letter === undefined) continue;
        const state = stateOfReplay(letter.id, replays.get(letter.id));
        yield { letter, place: [partition, record.offset], writtenMs: record.timestampMs, state };
      }
    }
  }
}

type Replayed = Pick<ReplayRecord, "ranges" | "base">;

/** What the positions say; only a shard that starts looks whether it holds. */
async function replaysIn(cluster: KafkaCluster, topic: string, partitions: number): Promise<Map<string, Replayed>> {
  const all = new Map<string, Replayed>();
  for (let partition = 0; partition < partitions; partition++) {
    const place = { topic, partition };
    const { folded, take } = foldPositions();
    const { low, stable } = await cluster.watermarks(place);
    await cluster.read(place, low, stable, (record) => take(decodePosition(record)));
    for (const [id, replay] of folded.replays) {
      all.set(id, { ranges: replay.ranges, base: releasedOf(replay, folded.shard.baseT) });
    }
  }
  return all;
}
