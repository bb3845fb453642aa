/**
 * Which partition a key belongs to, exactly as the default partitioner of Java's producer says it: murmur2 (Austin
 * Appleby's, with Kafka's seed), its sign bit cleared, modulo the number of partitions. A stream processor that
 * re-partitions or joins by key counts on that, and librdkafka's own default is another one (CRC-32).
 */

const seed = 0x9747b28c | 0;
const factor = 0x5bd1e995;

/** Kafka's murmur2, a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  const tail = length & ~3;
  let hash = seed ^ length;
  for (let at = 0; at < tail; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, factor);
    word = Math.imul(word ^ (word >>> 24), factor);
    hash = Math.imul(hash, factor) ^ word;
  }
  const left = length - tail;
  if (left > 2) hash ^= bytes[tail + 2]! << 16;
  if (left > 1) hash ^= bytes[tail + 1]! << 8;
  if (left > 0) hash = Math.imul(hash ^ bytes[tail]!, factor);
  hash = Math.imul(hash ^ (hash >>> 13), factor);
  return hash ^ (hash >>> 15);
}

/**
 * The partition of a key.
 * @param partitions of the topic, at least 1
 */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
