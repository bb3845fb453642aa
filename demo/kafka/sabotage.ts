/** Spoils the topics of a run as a defect of ours would: one reading stands there twice, or the first ones are gone. */
import { Admin } from "@platformatic/kafka";
import type { KafkaCluster, StoredRecord } from "../../gateway/queue/kafka/cluster.ts";
import type { Sabotage } from "../sabotage.ts";
import { readRecords } from "./read-topics.ts";

/** @returns the value of the record that was repeated, or of the last one that was removed */
export async function sabotageTopic(
  cluster: KafkaCluster,
  brokers: readonly string[],
  topic: string,
  how: Sabotage,
): Promise<string> {
  const records: StoredRecord[] = [];
  await readRecords(cluster, topic, (record) => records.push(record));
  // A reading that somebody outside has seen.
  const victim = records.find(({ value }) => Buffer.from(value ?? []).includes('"stream":"telemetry"'));
  if (victim === undefined) throw new Error("there is no record to spoil");
  if (how === "double") await repeat(cluster, victim);
  else await removeUpTo(brokers, victim);
  return Buffer.from(victim.value ?? []).toString();
}

async function repeat(cluster: KafkaCluster, victim: StoredRecord): Promise<void> {
  const producer = cluster.producer(`${victim.topic}-sabotage`);
  await producer.init();
  await producer.send([victim]);
  await producer.commit();
  await producer.close();
}

async function removeUpTo(brokers: readonly string[], { topic, partition, offset }: StoredRecord): Promise<void> {
  const admin = new Admin({ clientId: "holdfast-demo", bootstrapBrokers: [...brokers] });
  try {
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition, offset: BigInt(offset + 1) }] }] });
  } finally {
    await admin.close();
  }
}
