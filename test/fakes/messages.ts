/** Arbitrary messages of the sync protocol within its limits, for property tests. */
import fc from "fast-check";
import type { Block } from "../../shared/block/block.ts";
import type { Chain } from "../../shared/chain.ts";
import * as limits from "../../shared/limits.ts";
import type {
  Ask,
  Batch,
  EpochRecord,
  Hello,
  Message,
  Nack,
  Position,
  Welcome,
} from "../../shared/protocol/messages.ts";
import { clockQualities, nackReasons } from "../../shared/protocol/messages.ts";
import { type Ranges, union } from "../../shared/ranges.ts";

const hex = (size: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => Buffer.from(bytes).toString("hex"));
/** Small ones, those around 2^32, where CBOR's form changes, and the largest. */
const count = fc.oneof(
  fc.nat(100),
  fc.integer({ min: 2 ** 31 - 2, max: 2 ** 32 + 2 }),
  fc.integer({ min: 0, max: limits.seqMax }),
);
const seq = count.map((number) => Math.max(number, 1));
const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/);
const text = fc.string({ maxLength: 40, unit: "grapheme" }).filter((one) => one.length <= 64);
const chain: fc.Arbitrary<Chain> = fc.option(hex(8));
const epoch = hex(8);
const nonce = hex(8);
const id = hex(16);

const ranges: fc.Arbitrary<Ranges> = fc.array(fc.tuple(seq, fc.nat(1000), chain, chain), { maxLength: 8 }).map((all) =>
  all.reduce<Ranges>((sum, [first, more, before, after]) => {
    const last = Math.min(first + more, limits.seqMax - 1);
    return last < first ? sum : union(sum, [{ first, last, before, after }]);
  }, []),
);

const record: fc.Arbitrary<EpochRecord> = fc.record({
  epoch,
  storeId: id,
  run: seq,
  predecessor: fc.option(
    fc.record({ epoch, lastSeqs: fc.array(fc.tuple(name, count), { maxLength: 4 }).map((pairs) => new Map(pairs)) }),
  ),
  givenUp: fc.array(epoch, { maxLength: 4 }),
});

const block: fc.Arbitrary<Block> = fc.record({
  first: count.map((number) => Math.min(Math.max(number, 1), limits.seqMax - limits.blockReadingsMax)),
  count: fc.integer({ min: 1, max: limits.blockReadingsMax }),
  before: chain,
  after: chain,
  codec: fc.nat(255),
  rawBytes: fc.nat(limits.blockRawBytesMax),
  crc: fc.nat(0xffff_ffff),
  repeated: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 64 }),
});

const hello: fc.Arbitrary<Hello> = fc.record({
  type: fc.constant("hello"),
  versions: fc.array(fc.nat(255), { maxLength: 4 }),
  agentVersion: text,
  nonce,
  storeId: id,
  groupId: fc.option(id),
  open: fc.option(record),
  lowestUnsettledRun: count,
});

const welcome: fc.Arbitrary<Welcome> = fc.record({
  type: fc.constant("welcome"),
  nonce,
  gateway: text,
  groupId: id,
  journalId: id,
  timeUs: fc.integer({ min: 0, max: limits.timeUsMax }),
  batchBytesMax: fc.nat(limits.batchBytesMax),
  sendWindow: fc.nat(limits.sendWindowMax),
  codecs: fc.array(fc.nat(255), { maxLength: 4 }),
  gateways: fc.array(text, { maxLength: 4 }),
});

const spans = fc.array(
  fc.tuple(seq, fc.nat(100)).map(([first, more]) => ({ first, last: Math.min(first + more, limits.seqMax) })),
  { maxLength: 4 },
);

const ask: fc.Arbitrary<Ask> = fc.record({
  type: fc.constant("ask"),
  nonce,
  groupId: id,
  entries: fc.array(
    fc.record({ stream: name, epoch, storeId: id, run: seq, version: count, newest: count, gone: spans }),
    { maxLength: 4 },
  ),
});

const batch: fc.Arbitrary<Batch> = fc.record({
  type: fc.constant("batch"),
  nonce,
  groupId: id,
  stream: name,
  record,
  newest: seq,
  clock: fc.record({
    segment: count,
    offsetUs: fc.integer({ min: -limits.timeUsMax, max: limits.timeUsMax }),
    quality: fc.constantFrom(...clockQualities),
  }),
  blocks: fc.array(block, { maxLength: 4 }),
});

const position: fc.Arbitrary<Position> = fc.record({
  type: fc.constant("position"),
  nonce,
  groupId: id,
  journalId: id,
  version: count,
  stream: name,
  epoch,
  journaled: ranges,
  forwarded: ranges,
});

const nack: fc.Arbitrary<Nack> = fc.record({
  type: fc.constant("nack"),
  nonce,
  reason: fc.constantFrom(...nackReasons),
  retryAfterMs: count,
  stream: fc.option(name),
  epoch: fc.option(epoch),
  first: fc.option(seq),
  floor: fc.option(count),
});

export const anyMessage: fc.Arbitrary<Message> = fc.oneof(hello, welcome, ask, batch, position, nack);
