/** Messages from the arrays of the wire: every field is checked before a state machine sees it. */
import * as limits from "../limits.ts";
import * as field from "./fields.ts";
import { readBlock, readClock, readRanges, readRecord, readSpan } from "./from-parts.ts";
import type { Ask, AskEntry, Batch, Hello, Message, Nack, NackReason, Position, Welcome } from "./messages.ts";
import { nackReasons, wireTypes } from "./messages.ts";

function readBatch(nonce: string, rest: readonly unknown[]): Batch {
  const [groupId, stream, record, newest, clock, blocks] = field.tuple(rest, 6);
  return {
    type: "batch",
    nonce,
    groupId: field.id(groupId),
    stream: field.name(stream),
    record: readRecord(record),
    newest: field.seq(newest),
    clock: readClock(clock),
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
    gone: field.list(limits.goneRangesMax, readSpan)(gone),
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
