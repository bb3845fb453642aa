/** What the tests of the real cluster share: a client, records, and reading everything that is committed. */
import type { TestContext } from "node:test";
import { brokersMissing } from "../../demo/kafka/java.ts";
import { connectCluster } from "../../gateway/queue/kafka/client/client.ts";
import { loadLibrdkafka, type Properties } from "../../gateway/queue/kafka/client/librdkafka.ts";
import type { KafkaCluster, KafkaRecord, Place, StoredRecord } from "../../gateway/queue/kafka/cluster.ts";
import { messageOf } from "../../shared/errors.ts";

/** Why tests of a real cluster are skipped; undefined where they run. */
export function clusterMissing(): string | undefined {
  try {
    loadLibrdkafka();
  } catch (error) {
    return messageOf(error);
  }
  return brokersMissing();
}

/** A client that is closed after the test; impatient, so that what never comes is noticed soon. */
export async function connect(
  t: TestContext,
  bootstrap: string,
  properties: Properties = {},
  patienceMs = 10_000,
): Promise<KafkaCluster> {
  const cluster = await connectCluster({
    brokers: bootstrap.split(","),
    clientId: "test",
    properties,
    answerMs: 2_000,
    patienceMs,
    nowMs: () => performance.now(),
  });
  t.after(() => cluster.close());
  return cluster;
}

export function recordAt(place: Place, value: string | Uint8Array | null): KafkaRecord {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return { ...place, key: Buffer.from("key"), value: bytes, timestampMs: 1_700_000_000_000, headers: [["n", "1"]] };
}

/** Waits until all transactions of a partition are decided: markers come a little after a commit was answered. */
export async function decidedEnd(cluster: KafkaCluster, place: Place): Promise<number> {
  for (;;) {
    const { stable, high } = await cluster.watermarks(place);
    if (stable === high) return stable;
  }
}

export async function readAll(cluster: KafkaCluster, place: Place, from = 0): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  await cluster.read(place, from, await decidedEnd(cluster, place), (record) => records.push(record));
  return records;
}

export function textsOf(records: readonly StoredRecord[]): string[] {
  return records.map(({ value }) => (value === null ? "(nothing)" : Buffer.from(value).toString()));
}

/** Calls again while the answer is that it must be. */
export async function untilSettled(call: () => Promise<void>): Promise<number> {
  for (let retries = 0; ; retries++) {
    try {
      await call();
      return retries;
    } catch (error) {
      if ((error as { trouble?: string }).trouble !== "retry") throw error;
    }
  }
}
