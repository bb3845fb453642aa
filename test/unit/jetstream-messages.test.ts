import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeBlocks } from "../../gateway/journal/dedupe.ts";
import {
  decodeLaneMessage,
  decodeLaneRecord,
  decodeStoreRecord,
  emptyPage,
  encodeLaneMessage,
  encodeLaneRecord,
  encodeStoreRecord,
  type LaneMessage,
} from "../../gateway/journal/jetstream/messages.ts";
import { laneOf, shardOf, subjectOf } from "../../gateway/journal/jetstream/names.ts";
import { encodeCbor } from "../../shared/cbor.ts";
import type { Fault } from "../../shared/errors.ts";
import { batchBlocksMax, blockBytesMax, rangesMax } from "../../shared/limits.ts";
import { add, type Ranges } from "../../shared/ranges.ts";
import { agentLane, rangeOf } from "../fakes/agent-lane.ts";

const lane = agentLane({ agent: "pump-1", run: 3 });
const blocks = [lane.block(5), lane.loss(7), lane.block(2)];
const ranges = blocks.reduce<Ranges>((all, block) => add(all, rangeOf(block)), []);
const message: LaneMessage = {
  prev: 2 ** 40,
  isRepair: false,
  page: {
    ...emptyPage(lane.record.storeId, 3),
    journaled: ranges,
    forwarded: [rangeOf(blocks[0] as (typeof blocks)[number])],
    newest: 2 ** 41,
    last: 14,
    givenUp: true,
    gone: [{ first: 20, last: 30 }],
    lost: [{ first: 40, last: 41 }],
  },
  record: lane.record,
  clock: { segment: 4, offsetUs: -3_600_000_000, quality: "corrected" },
  blocks,
};

/** Views into a message compare equal to what they were made of only as plain arrays. */
const plain = (value: LaneMessage): unknown => ({
  ...value,
  blocks: value.blocks.map((block) => ({ ...block, bytes: [...block.bytes] })),
});

test("a message of the replicated journal comes back as it was written", () => {
  assert.deepEqual(plain(decodeLaneMessage(encodeLaneMessage(message))), plain(message));
  const bare = { ...message, prev: 0, isRepair: true, record: null, blocks: [] };
  assert.deepEqual(plain(decodeLaneMessage(encodeLaneMessage(bare))), plain(bare));
});

test("records of the archive come back as they were written", () => {
  const record = { version: 17, page: message.page };
  assert.deepEqual(decodeLaneRecord(encodeLaneRecord(record)), record);
  const store = { floor: 9, lowestUnsettledRun: 11 };
  assert.deepEqual(decodeStoreRecord(encodeStoreRecord(store)), store);
});

test("I10: one flipped bit anywhere is noticed", () => {
  const bytes = encodeLaneMessage(message);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
    assert.throws(() => decodeLaneMessage(damaged), { code: "damaged" }, `byte ${at}`);
  }
  for (const size of [0, 1, 4, bytes.length - 1]) {
    assert.throws(() => decodeLaneMessage(bytes.subarray(0, size)), { code: "damaged" }, `${size} bytes`);
  }
});

test("I10: what a newer version wrote is refused as such, and never taken for damage", async () => {
  const { crc32 } = await import("node:zlib");
  const body = encodeCbor([2, "something else"]);
  const whole = Buffer.concat([body, Buffer.alloc(4)]);
  whole.writeUInt32BE(crc32(body), body.length);
  assert.throws(
    () => decodeLaneMessage(whole),
    (error: Fault) => error.code === "too-new" && /upgrade/.test(error.remedy ?? ""),
  );
});

test("I8: the largest message stays below what a server takes by default, 1 MiB", () => {
  const chain = "0123456789abcdef";
  const apart = Array.from({ length: rangesMax }, (_, at) => {
    const first = 2 ** 40 + at * 10;
    return { first, last: first + 1, before: chain, after: chain };
  });
  const spans = Array.from({ length: 64 }, (_, at) => ({ first: 2 ** 40 + at * 4, last: 2 ** 40 + at * 4 + 1 }));
  const page = { ...message.page, journaled: apart, forwarded: apart, gone: spans, lost: spans };
  const small = { ...(blocks[0] as (typeof blocks)[number]), bytes: new Uint8Array(blockBytesMax / batchBlocksMax) };
  const many = Array.from({ length: batchBlocksMax }, () => small);
  const wide = encodeLaneMessage({ ...message, page, blocks: many });
  const two = [blockBytesMax, blockBytesMax - 65_536].map((size) => ({ ...small, bytes: new Uint8Array(size) }));
  const large = encodeLaneMessage({ ...message, page, blocks: two });
  assert.ok(Math.max(wide.length, large.length) < 1024 * 1024, `${wide.length} and ${large.length} bytes`);
  assert.equal(decodeLaneMessage(wide).blocks.length, batchBlocksMax);
});

test("I4: a loss record that fills every gap of a lane, in the fullest batch, can be read back", () => {
  const lossy = agentLane({ run: 4 });
  const singles = Array.from({ length: 2 * rangesMax + 1 }, () => lossy.block(1));
  const held = singles.filter((_, at) => at % 2 === 1).reduce<Ranges>((all, block) => add(all, rangeOf(block)), []);
  const wide = { ...agentLane({ run: 4 }).loss(2 * rangesMax + 1), before: null, after: null };
  const more = Array.from({ length: batchBlocksMax - 1 }, () => lossy.block(1));
  const { pieces, journaled, refusals } = judgeBlocks(held, [], [wide, ...more]);
  assert.deepEqual([pieces.length, refusals.length], [batchBlocksMax + rangesMax, 0]);
  const page = { ...message.page, journaled, forwarded: [] };
  assert.equal(decodeLaneMessage(encodeLaneMessage({ ...message, page, blocks: pieces })).blocks.length, pieces.length);
});

test("a subject names its lane, below the shard of its agent", () => {
  for (const shards of [1, 3, 16]) {
    const subject = subjectOf(lane.lane, shards);
    assert.ok(subject.startsWith(`${shardOf("pump-1", shards)}.`));
    assert.deepEqual(laneOf(subject), lane.lane);
  }
  for (const foreign of ["", "0.pump-1.telemetry", "0.pump-1.telemetry.e.more"])
    assert.equal(laneOf(foreign), undefined);
});
