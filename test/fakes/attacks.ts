/** What a hostile agent may send to a gateway, each attack many times over. */
import assert from "node:assert/strict";
import { crc32, zstdCompressSync } from "node:zlib";
import { type Block, codecColumns, codecColumnsZstd } from "../../shared/block/block.ts";
import { encodeBlocks } from "../../shared/block/encode.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import { encodeCbor } from "../../shared/cbor.ts";
import { askEntriesMax, batchBlocksMax, batchBytesMax, seqMax } from "../../shared/limits.ts";
import { encodeMessage } from "../../shared/protocol/codec.ts";
import type { Batch } from "../../shared/protocol/messages.ts";
import { topicDown, topicUp } from "../../shared/topics.ts";
import { type AgentLane, agentLane, idOf, nonce } from "./agent-lane.ts";
import type { Peer } from "./peer.ts";

/** The next block of a lane, with real readings in it: seq n has the value n. */
export function readings(lane: AgentLane, count: number): Block {
  const first = lane.newest() + 1;
  const rows = Array.from({ length: count }, (_, at) => ({ name: "level", timeUs: 1e15 + at, value: first + at }));
  const [encoded] = encodeBlocks(gatherColumns(rows));
  assert.ok(encoded !== undefined);
  return { ...lane.block(count, encoded.bytes, encoded.codec), rawBytes: encoded.rawBytes };
}

export interface Attack {
  readonly name: string;
  /** Sends the bad things; the peer may be cut off for them. */
  run(peer: Peer, groupId: string): void | Promise<void>;
}

/** A linear congruence: the same damage in every run. */
function* seeded(seed: number): Generator<number, never> {
  for (let state = seed; ; ) yield (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
}

/** A lane of the hostile agent; each attack has a run of its own. */
export const hostileLane = (run: number): AgentLane => agentLane({ agent: "pump-2", store: 2, run });

/** The block of one reading at a seq, of which nobody has the neighbours. */
function loneBlock(first: number, count = 1): Block {
  const bytes = Buffer.from(`lone ${first}`);
  const head = { first, count, before: null, after: null, codec: codecColumns, rawBytes: bytes.length };
  return { ...head, crc: crc32(bytes), repeated: false, bytes };
}

export const attacks: readonly Attack[] = [
  {
    name: "truncated and bit-flipped messages",
    run(peer, groupId) {
      const lane = hostileLane(10);
      const good = encodeMessage({ ...lane.batch([readings(lane, 50)]), groupId });
      const numbers = seeded(1);
      for (let at = 0; at < 150; at++) peer.sendBytes(good.subarray(0, numbers.next().value % good.length));
      for (let at = 0; at < 300; at++) {
        const bad = Uint8Array.from(good);
        const place = numbers.next().value % bad.length;
        bad[place] = (bad[place] as number) ^ (1 << (numbers.next().value >>> 29));
        peer.sendBytes(bad);
      }
    },
  },
  {
    name: "CBOR with tags, depth, endless and huge items",
    run(peer) {
      const bignum = Buffer.concat([Buffer.from([0x82, 0x00, 0xc2, 0x5a, 0, 3, 0xff, 0xff]), Buffer.alloc(0x3ffff, 7)]);
      const items = Buffer.concat([Buffer.from([0x9a, 0, 7, 0xff, 0]), Buffer.alloc(batchBytesMax - 10, 0x80)]);
      for (const bytes of [
        bignum,
        items,
        Buffer.alloc(400_000, 0x81),
        Buffer.from([0x9f, 0x00, 0xff]),
        Buffer.from([0x5f]),
        Buffer.from([0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        Buffer.from([0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        encodeCbor([]),
        encodeCbor(["hello"]),
        Buffer.alloc(0),
      ]) {
        for (let times = 0; times < 5; times++) peer.sendBytes(bytes);
      }
    },
  },
  {
    name: "zstd bombs",
    run(peer, groupId) {
      const lane = hostileLane(11);
      const bomb = zstdCompressSync(new Uint8Array(256 * 1024 * 1024));
      const blocks = Array.from({ length: 10 }, () => ({
        ...lane.block(5, bomb, codecColumnsZstd),
        rawBytes: 4_000_000,
      }));
      peer.send({ ...lane.batch(blocks), groupId });
    },
  },
  {
    name: "ten thousand disjoint ranges, replayed and reordered",
    run(peer, groupId) {
      const lane = hostileLane(12);
      for (let sent = 0; sent < 10_000; sent += batchBlocksMax) {
        const blocks = Array.from({ length: batchBlocksMax }, (_, at) => loneBlock(2 * (sent + at) + 1));
        const batch: Batch = { ...lane.batch(blocks.reverse()), groupId };
        peer.send(batch);
        if (sent % 2048 === 0) peer.send(batch);
      }
    },
  },
  {
    name: "numbers at the edge",
    run(peer, groupId) {
      const lane = hostileLane(13);
      const edge = encodeMessage({ ...lane.batch([loneBlock(seqMax - 1, 1)]), groupId });
      peer.sendBytes(edge);
      const overflowing = loneBlock(seqMax, 9_000);
      const head = { version: seqMax, newest: seqMax, gone: [{ first: 1, last: seqMax }] };
      try {
        peer.send({ ...lane.batch([overflowing]), groupId });
      } catch {
        // The encoder may refuse it already.
      }
      peer.send({ type: "ask", nonce, groupId, entries: [{ ...lane.ask(), ...head }] });
    },
  },
  {
    name: "unknown versions, and messages that only gateways send",
    run(peer, groupId) {
      const lane = hostileLane(14);
      const { record, epoch, stream } = { ...lane.lane, record: lane.record };
      const ranges = [{ first: 1, last: 1_000, before: null, after: null }];
      const ids = { nonce, groupId, journalId: idOf(1, 32) };
      for (let times = 0; times < 20; times++) {
        peer.send({
          type: "hello",
          versions: [2, 99],
          agentVersion: "9",
          nonce,
          storeId: record.storeId,
          groupId: null,
          open: record,
          lowestUnsettledRun: 1,
        });
        for (const agentEpoch of [epoch, agentLane().lane.epoch]) {
          const at = { ...ids, version: 9, stream, epoch: agentEpoch };
          peer.send({ type: "position", ...at, journaled: ranges, forwarded: ranges });
        }
        const welcome = { gateway: "evil", timeUs: 0, batchBytesMax: 1, sendWindow: 1, codecs: [], gateways: [] };
        peer.send({ type: "welcome", ...ids, ...welcome });
      }
    },
  },
  {
    name: "later versions that nobody told",
    async run(peer, groupId) {
      const lane = hostileLane(15);
      for (let times = 0; times < 10; times++) {
        await peer.greet(lane);
        peer.send({ type: "ask", nonce, groupId, entries: [lane.ask(1e9 + times)] });
      }
    },
  },
  {
    name: "a question about ever new epochs",
    run(peer, groupId) {
      for (let page = 0; page < 40; page++) {
        const entries = Array.from({ length: askEntriesMax }, (_, at) => {
          const lane = agentLane({ agent: "pump-2", store: 2, run: 1_000 + page * askEntriesMax + at });
          return { ...lane.ask(), newest: 5 };
        });
        peer.send({ type: "ask", nonce, groupId, entries });
      }
    },
  },
  {
    name: "another agent's topics",
    run(peer, groupId) {
      const lane = agentLane();
      peer.sendBytes(encodeMessage({ ...lane.batch([loneBlock(1)]), groupId }), topicUp("pump-1"));
    },
  },
  {
    name: "answers for another agent",
    run: (peer) => peer.sendBytes(encodeCbor([]), topicDown("pump-1")),
  },
  {
    name: "an oversize message",
    run: (peer) => peer.sendBytes(Buffer.alloc(8 * 1024 * 1024)),
  },
];
