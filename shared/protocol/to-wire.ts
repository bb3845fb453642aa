/** Messages as the arrays that stand on the wire (protocol.cddl). */
import type { Block } from "../block/block.ts";
import { integer } from "../cbor.ts";
import type { Chain } from "../chain.ts";
import type { Range, Span } from "../ranges.ts";
import type { EpochRecord, Message } from "./messages.ts";
import { clockQualities, nackReasons, wireTypes } from "./messages.ts";

const toBytes = (hexadecimal: string): Uint8Array => Buffer.from(hexadecimal, "hex");
const toChain = (chain: Chain): Uint8Array | null => (chain === null ? null : toBytes(chain));
const toRange = (range: Range): unknown[] => [
  integer(range.first),
  integer(range.last),
  toChain(range.before),
  toChain(range.after),
];
const toSpan = (span: Span): unknown[] => [integer(span.first), integer(span.last)];

function toRecord(record: EpochRecord): unknown[] {
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

const toBlock = (block: Block): unknown[] => [
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

/** The items of a message; integers beyond 32 bits are bigints, so that cbor-x keeps them integers. */
export function toWire(message: Message): unknown[] {
  const head = [wireTypes[message.type], toBytes(message.nonce)];
  switch (message.type) {
    case "hello":
      return [
        ...head,
        message.versions,
        message.agentVersion,
        toBytes(message.storeId),
        message.groupId && toBytes(message.groupId),
        message.open && toRecord(message.open),
        integer(message.lowestUnsettledRun),
      ];
    case "welcome":
      return [
        ...head,
        message.gateway,
        toBytes(message.groupId),
        toBytes(message.journalId),
        integer(message.timeUs),
        message.batchBytesMax,
        message.sendWindow,
        message.codecs,
        message.gateways,
      ];
    case "ask":
      return [
        ...head,
        toBytes(message.groupId),
        message.entries.map((entry) => [
          entry.stream,
          toBytes(entry.epoch),
          toBytes(entry.storeId),
          integer(entry.run),
          integer(entry.version),
          integer(entry.newest),
          entry.gone.map(toSpan),
        ]),
      ];
    case "batch":
      return [
        ...head,
        toBytes(message.groupId),
        message.stream,
        toRecord(message.record),
        integer(message.newest),
        [
          integer(message.clock.segment),
          integer(message.clock.offsetUs),
          clockQualities.indexOf(message.clock.quality),
        ],
        message.blocks.map(toBlock),
      ];
    case "position":
      return [
        ...head,
        toBytes(message.groupId),
        toBytes(message.journalId),
        integer(message.version),
        message.stream,
        toBytes(message.epoch),
        message.journaled.map(toRange),
        message.forwarded.map(toRange),
      ];
    case "nack":
      return [
        ...head,
        nackReasons.indexOf(message.reason),
        integer(message.retryAfterMs),
        message.stream,
        message.epoch && toBytes(message.epoch),
        message.first && integer(message.first),
        message.floor === null ? null : integer(message.floor),
      ];
  }
}
