/** The records of the Kafka queue as the lines that the file queue would have written. */
import type { StoredRecord } from "../../gateway/queue/kafka/cluster.ts";
import { decodeBatch } from "../../gateway/queue/kafka/records/value-batch.ts";
import type { Line } from "./outcomes.ts";

export function kafkaLine({ value, headers }: Pick<StoredRecord, "value" | "headers">): Line {
  const header = (name: string): string | undefined => {
    const found = headers.find(([known]) => known === name);
    return found === undefined ? undefined : Buffer.from(found[1]).toString();
  };
  if (header("kind") !== "dead-letter") return JSON.parse(Buffer.from(value ?? []).toString()) as Line;
  const { lane, first, last, clock, block } = decodeBatch(value as Uint8Array);
  return {
    kind: "dead-letter",
    ...lane,
    firstSeq: first,
    lastSeq: last,
    count: last - first + 1,
    reason: header("reason") ?? "",
    blockFirst: block.first,
    blockCount: block.count,
    codec: block.codec,
    rawBytes: block.rawBytes,
    clock: clock.quality,
    clockSegment: clock.segment,
    clockOffsetUs: clock.offsetUs,
    payloadBase64: Buffer.from(block.bytes).toString("base64"),
  };
}
