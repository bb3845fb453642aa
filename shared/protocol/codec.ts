/**
 * Turns protocol messages into wire bytes and back. Decoding trusts nothing: the size is checked before the bytes are
 * looked at, CBOR is scanned before it is parsed, and every field is checked before a state machine sees it.
 */
import { type Block, codecLoss } from "../block/block.ts";
import { decodeCbor, encodeCbor, integer } from "../cbor.ts";
import type { Chain } from "../chain.ts";
import { Fault } from "../errors.ts";
import * as limits from "../limits.ts";
import type { Range, Ranges, Span } from "../ranges.ts";
import { rangesFault } from "../ranges.ts";
import * as field from "./fields.ts";
import type { AskEntry, Batch, EpochRecord, Message, NackReason } from "./messages.ts";
import { nackReasons } from "./messages.ts";

/** First item of each message on the wire (PROTOCOL.md §3). */
const wireTypes = { hello: 1, welcome: 2, ask: 3, batch: 4, position: 5, nack: 6 } as const;
const clockQualities = ["synced", "corrected", "unsynced"] as const;

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

function toWire(message: Message): unknown[] {
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

/**
 * The wire form of a message.
 * @throws Fault `too-large` where it exceeds the limit of the protocol version: the cut must not let that happen
 */
export function encodeMessage(message: Message): Uint8Array {
  const bytes = encodeCbor(toWire(message));
  if (bytes.length > limits.batchBytesMax) {
    throw new Fault("too-large", { what: `a ${message.type} of ${bytes.length} bytes exceeds the protocol's limit` });
  }
  return bytes;
}

const readChain = field.nullable(field.hex(8));

function readRanges(value: unknown): Ranges {
  const ranges = field.list(limits.rangesMax, (item): Range => {
    const [first, last, before, after] = field.tuple(item, 4);
    return { first: field.seq(first), last: field.seq(last), before: readChain(before), after: readChain(after) };
  })(value);
  const fault = rangesFault(ranges);
  if (fault !== undefined) throw field.malformed(fault);
  return ranges;
}

function readRecord(value: unknown): EpochRecord {
  const [epoch, storeId, run, predecessor, givenUp] = field.tuple(value, 5);
  return {
    epoch: field.epoch(epoch),
    storeId: field.id(storeId),
    run: field.seq(run),
    predecessor: field.nullable((item) => {
      const [before, lastSeqs] = field.tuple(item, 2);
      const pairs = field.list(limits.streamsMax, (pair): [string, number] => {
        const [stream, last] = field.tuple(pair, 2);
        return [field.name(stream), field.count(last)];
      })(lastSeqs);
      return { epoch: field.epoch(before), lastSeqs: new Map(pairs) };
    })(predecessor),
    givenUp: field.list(limits.givenUpMax, field.epoch)(givenUp),
  };
}

function readBlock(value: unknown): Block {
  const [first, count, before, after, codec, rawBytes, crc, repeated, bytes] = field.tuple(value, 9);
  const block: Block = {
    first: field.seq(first),
    count: field.seq(count),
    before: readChain(before),
    after: readChain(after),
    codec: field.bounded(255)(codec),
    rawBytes: field.bounded(limits.blockRawBytesMax)(rawBytes),
    crc: field.bounded(0xffff_ffff)(crc),
    repeated: field.flag(repeated),
    bytes: field.bytes(limits.blockBytesMax)(bytes),
  };
  const countMax = block.codec === codecLoss ? limits.lossSpanMax : limits.blockReadingsMax;
  if (block.count > countMax || block.first + block.count - 1 > limits.seqMax) {
    throw field.malformed("a block holds too many seqs");
  }
  return block;
}

function readBatch(nonce: string, rest: readonly unknown[]): Batch {
  const [groupId, stream, record, newest, clock, blocks] = field.tuple(rest, 6);
  const [segment, offsetUs, quality] = field.tuple(clock, 3);
  return {
    type: "batch",
    nonce,
    groupId: field.id(groupId),
    stream: field.name(stream),
    record: readRecord(record),
    newest: field.seq(newest),
    clock: {
      segment: field.count(segment),
      offsetUs: field.signed(offsetUs),
      quality: field.oneOf(clockQualities)(quality),
    },
    blocks: field.list(limits.batchBlocksMax, readBlock)(blocks),
  };
}

function readAskEntry(value: unknown): AskEntry {
  const [stream, epoch, storeId, run, version, newest, gone] = field.tuple(value, 7);
  return {
    stream: field.name(stream),
    epoch: field.epoch(epoch),
    storeId: field.id(storeId),
    run: field.seq(run),
    version: field.count(version),
    newest: field.count(newest),
    gone: field.list(limits.goneRangesMax, (item): Span => {
      const [first, last] = field.tuple(item, 2);
      const span = { first: field.seq(first), last: field.seq(last) };
      if (span.last < span.first) throw field.malformed("a span is empty");
      return span;
    })(gone),
  };
}

/**
 * Reads a message from outside.
 * @throws Fault `too-large` or `protocol`; nothing else, whatever the bytes
 */
export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes.length > limits.batchBytesMax) {
    throw new Fault("too-large", { what: `a message of ${bytes.length} bytes exceeds the protocol's limit` });
  }
  let items: unknown;
  try {
    items = decodeCbor(bytes);
  } catch (error) {
    throw new Fault("protocol", { what: "a message cannot be read", cause: error });
  }
  if (!Array.isArray(items) || items.length < 2) throw field.malformed("a message is an array");
  const nonce = field.nonce(items[1]);
  const rest: readonly unknown[] = items.slice(2);
  switch (items[0]) {
    case wireTypes.hello: {
      const [versions, agentVersion, storeId, groupId, open, lowest] = field.tuple(rest, 6);
      return {
        type: "hello",
        nonce,
        versions: field.list(16, field.bounded(255))(versions),
        agentVersion: field.text(64)(agentVersion),
        storeId: field.id(storeId),
        groupId: field.nullable(field.id)(groupId),
        open: field.nullable(readRecord)(open),
        lowestUnsettledRun: field.count(lowest),
      };
    }
    case wireTypes.welcome: {
      const [gateway, groupId, journalId, timeUs, batchBytesMax, sendWindow, codecs, gateways] = field.tuple(rest, 8);
      return {
        type: "welcome",
        nonce,
        gateway: field.text(256)(gateway),
        groupId: field.id(groupId),
        journalId: field.id(journalId),
        timeUs: field.count(timeUs),
        batchBytesMax: field.bounded(limits.batchBytesMax)(batchBytesMax),
        sendWindow: field.bounded(limits.sendWindowMax)(sendWindow),
        codecs: field.list(32, field.bounded(255))(codecs),
        gateways: field.list(limits.gatewaysMax, field.text(256))(gateways),
      };
    }
    case wireTypes.ask: {
      const [groupId, entries] = field.tuple(rest, 2);
      return {
        type: "ask",
        nonce,
        groupId: field.id(groupId),
        entries: field.list(limits.askEntriesMax, readAskEntry)(entries),
      };
    }
    case wireTypes.batch:
      return readBatch(nonce, rest);
    case wireTypes.position: {
      const [groupId, journalId, version, stream, epoch, journaled, forwarded] = field.tuple(rest, 7);
      return {
        type: "position",
        nonce,
        groupId: field.id(groupId),
        journalId: field.id(journalId),
        version: field.count(version),
        stream: field.name(stream),
        epoch: field.epoch(epoch),
        journaled: readRanges(journaled),
        forwarded: readRanges(forwarded),
      };
    }
    case wireTypes.nack: {
      const [reason, retryAfterMs, stream, epoch, first, floor] = field.tuple(rest, 6);
      return {
        type: "nack",
        nonce,
        reason: field.oneOf<NackReason>(nackReasons)(reason),
        retryAfterMs: field.count(retryAfterMs),
        stream: field.nullable(field.name)(stream),
        epoch: field.nullable(field.epoch)(epoch),
        first: field.nullable(field.seq)(first),
        floor: field.nullable(field.count)(floor),
      };
    }
    default:
      throw field.malformed("its type is unknown");
  }
}
