/**
 * The chain: a 64-bit fingerprint of a (stream, epoch) up to a seq. Two histories under one name differ in it.
 * Written as 16 hexadecimal digits; null means unknown and equals nothing, not even another null.
 */
import { createHash, hash } from "node:crypto";

export type Chain = string | null;

/** The chain at seq 0: the first 8 bytes of SHA-256 over the epoch's 8 bytes and the stream's UTF-8 name. */
export function chainStart(epoch: string, stream: string): string {
  return createHash("sha256").update(Buffer.from(epoch, "hex")).update(stream, "utf8").digest("hex").slice(0, 16);
}

/**
 * The chain after a block: the first 8 bytes of SHA-256 over
 * (previous chain 8 bytes, first 8 bytes, count 8 bytes, the block's bytes as stored), integers big-endian.
 */
export function chainNext(before: string, first: number, count: number, bytes: Uint8Array): string {
  const head = Buffer.allocUnsafe(24 + bytes.length);
  head.write(before, 0, 8, "hex");
  head.writeBigUInt64BE(BigInt(first), 8);
  head.writeBigUInt64BE(BigInt(count), 16);
  head.set(bytes, 24);
  return hash("sha256", head, "hex").slice(0, 16);
}

/** True where both are known and equal. */
export function chainsAgree(a: Chain, b: Chain): boolean {
  return a !== null && a === b;
}
