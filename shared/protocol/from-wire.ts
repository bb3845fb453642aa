/** Messages from the arrays of the wire: every field is checked before a state machine sees it. */
import { type Block, codecLoss } from "../block/block.ts";
import * as limits from "../limits.ts";
import type { Range, Ranges, Span } from "../ranges.ts";
import { rangesFault } from "../ranges.ts";
import * as field from "./fields.ts";
import type {
  Ask,
  AskEntry,
  Batch,
  EpochRecord,
  Hello,
  Message,
  Nack,
  NackReason,
  Position,
  Welcome,
} from "./messages.ts";
import { clockQualities, nackReasons, wireTypes } from "./messages.ts";

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

function readHello(nonce: string, rest: readonly unknown[]): Hello {
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

function readWelcome(nonce: string, rest: readonly unknown[]): Welcome {
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

function readAsk(nonce: string, rest: readonly unknown[]): Ask {
  const [groupId, entries] = field.tuple(rest, 2);
  return {
    type: "ask",
    nonce,
    groupId: field.id(groupId),
    entries: field.list(limits.askEntriesMax, readAskEntry)(entries),
  };
}

function readPosition(nonce: string, rest: readonly unknown[]): Position {
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

function readNack(nonce: string, rest: readonly unknown[]): Nack {
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

/** Per first item of a message, the reader of what follows its nonce. */
const readers: ReadonlyMap<unknown, (nonce: string, rest: readonly unknown[]) => Message> = new Map([
  [wireTypes.hello, readHello],
  [wireTypes.welcome, readWelcome],
  [wireTypes.ask, readAsk],
  [wireTypes.batch, readBatch],
  [wireTypes.position, readPosition],
  [wireTypes.nack, readNack],
] as [number, (nonce: string, rest: readonly unknown[]) => Message][]);

/**
 * The message in the items of a CBOR array.
 * @throws Fault `protocol`
 */
export function fromWire(items: readonly unknown[]): Message {
  const read = readers.get(items[0]);
  if (read === undefined) throw field.malformed("its type is unknown");
  return read(field.nonce(items[1]), items.slice(2));
}
