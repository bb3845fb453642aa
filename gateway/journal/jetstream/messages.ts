/**
 * A message of the replicated journal, and a lane's record in the archive, as bytes: CBOR and a CRC over it. Each
 * message holds the whole position of its lane, so that the newest one of a subject is all that anybody must read.
 */
import { crc32 } from "node:zlib";
import type { Block } from "../../../shared/block/block.ts";
import { decodeCbor, encodeCbor, integer } from "../../../shared/cbor.ts";
import { Fault } from "../../../shared/errors.ts";
import { batchBlocksMax, rangesMax } from "../../../shared/limits.ts";
import * as field from "../../../shared/protocol/fields.ts";
import { readBlock, readClock, readRanges, readRecord, readSpan } from "../../../shared/protocol/from-parts.ts";
import type { Clock, EpochRecord } from "../../../shared/protocol/messages.ts";
import { toBlock, toBytes, toClock, toRange, toRecord, toSpan } from "../../../shared/protocol/to-parts.ts";
import { type LaneNotes, noNotes, reportedSpansMax } from "../lane-notes.ts";

/** What a message says of its lane. */
export interface LanePage extends LaneNotes {
  readonly storeId: string;
  readonly run: number;
}

export interface LaneMessage {
  /** The sequence that it was published behind: what it expected, 0 for the first of its subject. */
  readonly prev: number;
  /** The position is not known: what stood there cannot be read, or is gone, and the forwarder must put the queue's. */
  readonly isRepair: boolean;
  readonly page: LanePage;
  /** The epoch's own record; null where only its name was told so far. */
  readonly record: EpochRecord | null;
  /** New blocks, of one clock; none in a message that only changes the position. */
  readonly clock: Clock;
  readonly blocks: readonly Block[];
}

/** A lane as the archive keeps it: after it was folded, or before its first message, with version 0. */
export interface LaneRecord {
  readonly version: number;
  readonly page: LanePage;
}

/** What is known of a store file of an agent. */
export interface StoreRecord {
  /** The highest run that was forgotten. */
  readonly floor: number;
  readonly lowestUnsettledRun: number;
}

const format = 1;
/** A loss record is trimmed to the gaps that it fills, so a full batch becomes so many pieces more at the most. */
const piecesMax = batchBlocksMax + rangesMax + 1;
const crcBytes = 4;

export function emptyPage(storeId: string, run: number): LanePage {
  return { ...noNotes, storeId, run };
}

export function encodeLaneMessage({ prev, isRepair, page, record, clock, blocks }: LaneMessage): Uint8Array {
  const items = [integer(prev), isRepair, toPage(page), record && toRecord(record), toClock(clock)];
  return sealed([...items, blocks.map(toBlock)]);
}

/** @throws Fault `damaged` or `protocol` where it is not one that was encoded */
export function decodeLaneMessage(bytes: Uint8Array): LaneMessage {
  const [prev, isRepair, page, record, clock, blocks] = opened(bytes, 6);
  return {
    prev: field.count(prev),
    isRepair: field.flag(isRepair),
    page: readPage(page),
    record: field.nullable(readRecord)(record),
    clock: readClock(clock),
    blocks: field.list(piecesMax, readBlock)(blocks),
  };
}

/**
 * The same of a message that may be damaged: undefined then.
 * @throws Fault `too-new`: what a newer version wrote is whole, and nobody may repair it
 */
export function readLaneMessage(bytes: Uint8Array): LaneMessage | undefined {
  try {
    return decodeLaneMessage(bytes);
  } catch (error) {
    if (error instanceof Fault && error.code === "too-new") throw error;
    return undefined;
  }
}

export function encodeLaneRecord({ version, page }: LaneRecord): Uint8Array {
  return sealed([integer(version), toPage(page)]);
}

/** @throws as `decodeLaneMessage` */
export function decodeLaneRecord(bytes: Uint8Array): LaneRecord {
  const [version, page] = opened(bytes, 2);
  return { version: field.count(version), page: readPage(page) };
}

export function encodeStoreRecord({ floor, lowestUnsettledRun }: StoreRecord): Uint8Array {
  return sealed([integer(floor), integer(lowestUnsettledRun)]);
}

/** @throws as `decodeLaneMessage` */
export function decodeStoreRecord(bytes: Uint8Array): StoreRecord {
  const [floor, lowestUnsettledRun] = opened(bytes, 2);
  return { floor: field.count(floor), lowestUnsettledRun: field.count(lowestUnsettledRun) };
}

function toPage({ storeId, run, journaled, forwarded, newest, last, givenUp, gone, lost }: LanePage): unknown[] {
  return [
    toBytes(storeId),
    integer(run),
    journaled.map(toRange),
    forwarded.map(toRange),
    integer(newest),
    last === null ? null : integer(last),
    givenUp,
    gone.map(toSpan),
    lost.map(toSpan),
  ];
}

function readPage(value: unknown): LanePage {
  const [storeId, run, journaled, forwarded, newest, last, givenUp, gone, lost] = field.tuple(value, 9);
  return {
    storeId: field.id(storeId),
    run: field.seq(run),
    journaled: readRanges(journaled),
    forwarded: readRanges(forwarded),
    newest: field.count(newest),
    last: field.nullable(field.count)(last),
    givenUp: field.flag(givenUp),
    gone: field.list(reportedSpansMax, readSpan)(gone),
    lost: field.list(reportedSpansMax, readSpan)(lost),
  };
}

function sealed(items: readonly unknown[]): Uint8Array {
  const body = encodeCbor([format, ...items]);
  const whole = Buffer.allocUnsafe(body.length + crcBytes);
  whole.set(body);
  whole.writeUInt32BE(crc32(body), body.length);
  return whole;
}

function opened(bytes: Uint8Array, items: number): readonly unknown[] {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = whole.length - crcBytes;
  if (end < 1 || crc32(whole.subarray(0, end)) !== whole.readUInt32BE(end)) {
    throw new Fault("damaged", { what: "a message of the journal is not what was written" });
  }
  const read = decodeCbor(whole.subarray(0, end));
  const version: unknown = Array.isArray(read) ? read[0] : undefined;
  if (Number.isSafeInteger(version) && version !== format) {
    throw new Fault("too-new", {
      what: "a message of the journal was written by a newer version of Holdfast",
      why: `its format is ${String(version)}; this version reads ${format}`,
      remedy: "upgrade this gateway",
    });
  }
  const [, ...rest] = field.tuple(read, items + 1);
  return rest;
}
