import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { murmur2, partitionOf } from "../../gateway/queue/kafka/records/partition.ts";

/** From org.apache.kafka.common.utils.Utils of kafka-clients 4.3.1: bytes, murmur2, toPositive % 12 and % 7. */
const vectors: readonly (readonly [bytes: Buffer, hash: number, of12: number, of7: number])[] = [
  [Buffer.from(""), 275646681, 9, 2],
  [Buffer.from("a"), -1563381124, 4, 5],
  [Buffer.from("ab"), 316155434, 2, 0],
  [Buffer.from("abc"), 479470107, 3, 4],
  [Buffer.from("abcd"), -1323649548, 8, 5],
  [Buffer.from("abcde"), 461995741, 1, 4],
  [Buffer.from("pump-17/temperature"), -1005073072, 4, 6],
  [Buffer.from("pump-17/telemetry"), 740505551, 11, 2],
  [Buffer.from("station-3/plant/line-3/pressure"), -139722888, 8, 5],
  [Buffer.from("é 😀"), 988246054, 10, 5],
  [Buffer.from("The quick brown fox jumps over the lazy dog"), 495243318, 6, 3],
  [Buffer.from("007fc280c3bf", "hex"), 1970610593, 5, 0],
  [Buffer.from("ffffff", "hex"), 1548199422, 6, 0],
  [Buffer.from(Array.from({ length: 256 }, (_, i) => i)), -1948347274, 10, 3],
];

void describe("partitions of keys", () => {
  void it("are those of Java's default partitioner", () => {
    for (const [bytes, hash, of12, of7] of vectors) {
      const found = [murmur2(bytes), partitionOf(bytes, 12), partitionOf(bytes, 7), partitionOf(bytes, 1)];
      assert.deepEqual(found, [hash, of12, of7, 0], bytes.toString("hex"));
    }
  });

  void it("are Java's for ten thousand keys", () => {
    let folded = 0;
    for (let i = 0; i < 10_000; i++) folded = (Math.imul(31, folded) + partitionOf(Buffer.from(`key-${i}`), 12)) | 0;
    // The same sum, computed in Java.
    assert.equal(folded, -2115412064);
  });
});
