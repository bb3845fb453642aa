/** What several formats carry in the same form: blocks, epoch records, ranges and clocks, as items of CBOR arrays. */
import type { Block } from "../block/block.ts";
import { integer } from "../cbor.ts";
import type { Chain } from "../chain.ts";
import type { Range, Span } from "../ranges.ts";
import { type Clock, clockQualities, type EpochRecord } from "./messages.ts";

export const toBytes = (hexadecimal: string): Uint8Array => Buffer.from(hexadecimal, "hex");
const toChain = (chain: Chain): Uint8Array | null => (chain === null ? null : toBytes(chain));
export const toRange = (range: Range): unknown[] => [
  integer(range.first),
  integer(range.last),
  toChain(range.before),
  toChain(range.after),
];
export const toSpan = (span: Span): unknown[] => [integer(span.first), integer(span.last)];

export function toRecord(record: EpochRecord): unknown[] {
  const { predecessor } = record;
  return [
    toBytes(record.epoch),
    toBytes(record.storeId),
    integer(record.run),
    predecessor && [
      toBytes(predecessor.epoch),
      [...predecessor.lastSeqs].map(([stream, last]) => [stream, integer(last)]),
    ],
    record.givenUp.map(toBytes),
  ];
}

export const toBlock = (block: Block): unknown[] => [
  integer(block.first),
  integer(block.count),
  toChain(block.before),
  toChain(block.after),
  block.codec,
  block.rawBytes,
  block.crc,
  block.repeated,
  block.bytes,
];

export const toClock = ({ segment, offsetUs, quality }: Clock): unknown[] => [
  integer(segment),
  integer(offsetUs),
  clockQualities.indexOf(quality),
];
