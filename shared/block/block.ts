/**
 * The block: an immutable run of consecutive readings of one (stream, epoch), or a loss record in their place. It is
 * the unit of storage, transport and dedupe, and is carried byte for byte from the store to the forwarder. What stands
 * in the bytes is described in FORMAT.md; this file holds what stands beside them.
 */
import { crc32 } from "node:zlib";
import type { Chain } from "../chain.ts";

/** Codec ids. A reader that meets another id must neither drop nor guess: it says `unsupported`. */
export const codecLoss = 0;
export const codecColumns = 1;
export const codecColumnsZstd = 2;

/** What stands beside the bytes of a block, in the store, on the wire and in the journal. */
export interface BlockHead {
  readonly first: number;
  readonly count: number;
  readonly before: Chain;
  readonly after: Chain;
  readonly codec: number;
  /** Size before compression; equals the size of the bytes where the codec does not compress. */
  readonly rawBytes: number;
  /** CRC-32 (IEEE 802.3) of the bytes as stored. */
  readonly crc: number;
  /** True where the readings may stand in the queue under another name too: they were appended again (DESIGN §1). */
  readonly repeated: boolean;
}

export interface Block extends BlockHead {
  readonly bytes: Uint8Array;
}

/** The last seq of a block. */
export function lastOf(head: { first: number; count: number }): number {
  return head.first + head.count - 1;
}

/** True where the bytes are the ones the head was made for. */
export function crcHolds(block: { crc: number; bytes: Uint8Array }): boolean {
  return crc32(block.bytes) === block.crc;
}
