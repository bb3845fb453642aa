/** Outcomes with real blocks, and the records that they become. */
import assert from "node:assert/strict";
import type { KafkaRecord } from "../../gateway/queue/kafka/cluster.ts";
import type { RecordOptions, Writing } from "../../gateway/queue/kafka/records/record-rules.ts";
import { recordsOf } from "../../gateway/queue/kafka/records/records.ts";
import { defaultBatchKey, defaultKey, keysOf, topicNames } from "../../gateway/queue/kafka/topics/topic-names.ts";
import type { DeadLetter, Lane, Outcome } from "../../gateway/queue/queue.ts";
import { type Block, lastOf } from "../../shared/block/block.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import { encodeBlocks } from "../../shared/block/encode.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import { type LossRecord, lossBlock } from "../../shared/block/loss.ts";
import type { Clock } from "../../shared/protocol/messages.ts";
import type { Span } from "../../shared/ranges.ts";
import type { Reading } from "../../shared/reading.ts";
import { startUs } from "./outcomes.ts";

export const lane: Lane = { agent: "pump-17", stream: "telemetry", epoch: "0123456789abcdef" };
export const chains = { before: "aaaaaaaaaaaaaaaa", after: "bbbbbbbbbbbbbbbb" };
export const synced: Clock = { segment: 1, offsetUs: 0, quality: "synced" };

interface Change {
  readonly first?: number;
  readonly spans?: readonly Span[];
  readonly clock?: Clock;
  readonly block?: Partial<Pick<Block, "before" | "after" | "repeated">>;
}

/** The outcome of a block of readings, all of whose seqs become records unless `spans` says otherwise. */
export function readingsOutcome(readings: readonly Reading[], change: Change = {}): Outcome {
  const [encoded, ...more] = encodeBlocks(gatherColumns(readings));
  assert.ok(encoded !== undefined && more.length === 0, "one block");
  const { codec, rawBytes, bytes, crc, count } = encoded;
  const { first = 1, clock = synced } = change;
  const block: Block = { first, count, codec, rawBytes, crc, bytes, ...chains, repeated: false, ...change.block };
  const columns = decodeBlock(codec, rawBytes, bytes);
  const { spans = [{ first, last: lastOf(block) }] } = change;
  return { lane, spans, block, body: { kind: "readings", first, columns, clock, repeated: block.repeated } };
}

/** Readings of the series, one second apart, with the values 1, 2, …. */
export function counted(...names: string[]): Reading[] {
  return names.map((name, at) => ({ name, timeUs: startUs + at * 1_000_000, value: at + 1, stamped: true }));
}

export function lossOutcome(first: number, count: number, spans: readonly Span[], loss: LossRecord): Outcome {
  const block = lossBlock(loss, { first, count, ...chains, repeated: false });
  return { lane, spans, block, body: { kind: "loss", loss } };
}

/** A dead letter of a block of readings. */
export function deadOutcome(outcome: Outcome, reason: string, spans = outcome.spans): Outcome {
  const { first, count, codec, rawBytes, repeated, bytes } = outcome.block;
  const block = { first, count, codec, rawBytes, repeated, bytes };
  const body: DeadLetter = { kind: "dead-letter", reason, clock: synced, ...block };
  return { ...outcome, spans, body };
}

export function recordOptions(change: Partial<RecordOptions> = {}): RecordOptions {
  return {
    namespace: "holdfast",
    shard: 3,
    format: "json",
    topics: topicNames("readings", []),
    keyOf: keysOf(change.format === "batch" ? defaultBatchKey : defaultKey),
    lossTopic: "losses",
    deadLetterTopic: "dead-letters",
    timestamp: "reading",
    historicalAfterMs: 60_000,
    recordBytesMax: 1_000_000,
    partitionsOf: () => 12,
    ...change,
  };
}

export const writing: Writing = { t: 81_723, nowMs: startUs / 1000, replay: null };

export function recordsFor(outcomes: readonly Outcome[], change: Partial<RecordOptions> = {}): KafkaRecord[] {
  return [...recordsOf(outcomes, recordOptions(change), writing)];
}

/** The headers by name; none may stand there twice. */
export function headersOf({ headers }: KafkaRecord): Record<string, string> {
  const named = Object.fromEntries(headers.map(([name, value]) => [name, Buffer.from(value).toString()]));
  assert.equal(Object.keys(named).length, headers.length);
  return named;
}

export function textOf({ value }: KafkaRecord): string {
  assert.ok(value !== null);
  return Buffer.from(value).toString();
}
