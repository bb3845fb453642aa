/** One lane of an agent as a gateway sees it: blocks with true chains, batches and questions about them. */
import { crc32 } from "node:zlib";
import type { Lane } from "../../gateway/queue/queue.ts";
import { type Block, codecColumns, lastOf } from "../../shared/block/block.ts";
import { type LossReason, lossBlock } from "../../shared/block/loss.ts";
import { type Chain, chainNext, chainStart } from "../../shared/chain.ts";
import type { AskEntry, Batch, Clock, EpochRecord, Hello } from "../../shared/protocol/messages.ts";
import type { Range, Span } from "../../shared/ranges.ts";

export const groupId = "e".repeat(32);
export const nonce = "1122334455667788";
export const synced: Clock = { segment: 1, offsetUs: 0, quality: "synced" };

/** A number as an id of `digits` hexadecimal digits. */
export const idOf = (number: number, digits: number): string => number.toString(16).padStart(digits, "0");

export interface AgentLane {
  readonly lane: Lane;
  readonly record: EpochRecord;
  /** The next block of `count` readings; its bytes are opaque unless given. */
  block(count: number, bytes?: Uint8Array, codec?: number): Block;
  /** The next `count` seqs as a loss record. */
  loss(count: number, reason?: LossReason): Block;
  newest(): number;
  batch(blocks: readonly Block[]): Batch;
  ask(version?: number, gone?: readonly Span[]): AskEntry;
}

export interface LaneOptions {
  readonly agent?: string;
  readonly stream?: string;
  readonly run?: number;
  readonly store?: number;
  readonly predecessor?: EpochRecord["predecessor"];
  readonly givenUp?: readonly string[];
}

/** The lane of epoch number `run`. */
export function agentLane(options: LaneOptions = {}): AgentLane {
  const { agent = "pump-1", stream = "telemetry", run = 1, store = 1, predecessor = null, givenUp = [] } = options;
  const epoch = idOf(store * 0x10000 + run, 16);
  const record: EpochRecord = { epoch, storeId: idOf(store, 32), run, predecessor, givenUp };
  let last = 0;
  let chain = chainStart(epoch, stream);

  function place(count: number, bytes: Uint8Array): { first: number; count: number; before: Chain; after: string } {
    const first = last + 1;
    const after = chainNext(chain, first, count, bytes);
    const found = { first, count, before: chain, after };
    chain = after;
    last += count;
    return found;
  }

  return {
    lane: { agent, stream, epoch },
    record,
    block(count, bytes = opaqueBytes(last + 1, count), codec = codecColumns) {
      const rawBytes = bytes.length;
      return { ...place(count, bytes), codec, rawBytes, crc: crc32(bytes), repeated: false, bytes };
    },
    loss(count, reason = "quota") {
      const bytes = lossBlock(
        { reason, fromUs: null, toUs: null },
        { first: 1, count: 1, before: null, after: null, repeated: false },
      ).bytes;
      return lossBlock({ reason, fromUs: null, toUs: null }, { ...place(count, bytes), repeated: false });
    },
    newest: () => last,
    batch: (blocks) => ({
      type: "batch",
      nonce,
      groupId,
      stream,
      record,
      newest: Math.max(last, ...blocks.map(lastOf)),
      clock: synced,
      blocks,
    }),
    ask: (version = 0, gone = []) => ({ stream, epoch, storeId: record.storeId, run, version, newest: last, gone }),
  };
}

function opaqueBytes(first: number, count: number): Uint8Array {
  return Buffer.from(`block ${first} + ${count}`);
}

export function helloOf(lane: AgentLane, lowestUnsettledRun = lane.record.run): Hello {
  return {
    type: "hello",
    versions: [1],
    agentVersion: "0.1.0",
    nonce,
    storeId: lane.record.storeId,
    groupId,
    open: lane.record,
    lowestUnsettledRun,
  };
}

/** The range that a block fills. */
export function rangeOf(block: Block): Range {
  return { first: block.first, last: lastOf(block), before: block.before, after: block.after };
}
