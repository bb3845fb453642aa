/**
 * A gateway process among hostile agents: whatever they send, it stays up, its memory stays bounded (I8), and what a
 * well-behaved agent sends in the meantime reaches the queue exactly once.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { crc32, zstdCompressSync } from "node:zlib";
import { sleep, until } from "../../demo/waiting.ts";
import { type Block, codecColumns, codecColumnsZstd, lastOf } from "../../shared/block/block.ts";
import { encodeBlocks } from "../../shared/block/encode.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import { encodeCbor } from "../../shared/cbor.ts";
import { askEntriesMax, batchBlocksMax, batchBytesMax, rangesMax, seqMax } from "../../shared/limits.ts";
import { encodeMessage } from "../../shared/protocol/codec.ts";
import type { Batch, Message, Position } from "../../shared/protocol/messages.ts";
import { covers } from "../../shared/ranges.ts";
import { topicDown, topicUp } from "../../shared/topics.ts";
import { type AgentLane, agentLane, idOf, nonce } from "../fakes/agent-lane.ts";
import { type GatewayProcess, layGateway } from "../fakes/gateway-process.ts";
import { connectPeer, type Peer } from "../fakes/peer.ts";

/** Far above what was measured (about 220 MB), far below what any of the attacks would cost unbounded. */
const rssBytesMax = 400 * 1024 * 1024;
const batchReadings = 20;

/** The next block of a lane, with real readings in it: seq n has the value n. */
function readings(lane: AgentLane, count: number): Block {
  const first = lane.newest() + 1;
  const rows = Array.from({ length: count }, (_, at) => ({ name: "level", timeUs: 1e15 + at, value: first + at }));
  const [encoded] = encodeBlocks(gatherColumns(rows));
  assert.ok(encoded !== undefined);
  return { ...lane.block(count, encoded.bytes, encoded.codec), rawBytes: encoded.rawBytes };
}

const isPosition = (message: Message): message is Position => message.type === "position";

/** Sends block by block, each again until a position covers it, until told to stop; returns the last seq. */
async function behave(peer: Peer, lane: AgentLane, isOver: () => boolean): Promise<number> {
  const { groupId } = await peer.greet(lane);
  while (!isOver()) {
    const block = readings(lane, batchReadings);
    const batch: Batch = { ...lane.batch([block]), groupId };
    const isJournaled = (): boolean =>
      peer.answers.filter(isPosition).some(({ journaled }) => covers(journaled, block.first, lastOf(block)));
    while (!isJournaled()) {
      peer.send(batch);
      await until("an answer comes", isJournaled, 2_000, 2).catch(() => undefined);
      assert.equal(peer.isClosed(), false, "the well-behaved agent was cut off");
    }
    peer.answers.length = 0;
  }
  return lane.newest();
}

interface Attack {
  readonly name: string;
  /** Sends the bad things; the peer may be cut off for them. */
  run(peer: Peer, groupId: string): void | Promise<void>;
}

/** A linear congruence: the same damage in every run. */
function* seeded(seed: number): Generator<number, never> {
  for (let state = seed; ; ) yield (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
}

const hostileLane = (run: number): AgentLane => agentLane({ agent: "pump-2", store: 2, run });

/** The block of one reading at a seq, of which nobody has the neighbours. */
function loneBlock(first: number, count = 1): Block {
  const bytes = Buffer.from(`lone ${first}`);
  const head = { first, count, before: null, after: null, codec: codecColumns, rawBytes: bytes.length };
  return { ...head, crc: crc32(bytes), repeated: false, bytes };
}

const attacks: readonly Attack[] = [
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

/** Raw bytes without a login: an endless CONNECT, and junk. Resolves once the gateway has closed the connection. */
function pour(port: number, start: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const chunk = Buffer.alloc(1024 * 1024);
    const more = (): void => {
      while (socket.writable && socket.bytesWritten < 200 * 1024 * 1024) if (!socket.write(chunk)) return;
    };
    socket.on("connect", () => {
      socket.write(start);
      more();
    });
    socket.on("drain", more);
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(socket.bytesWritten));
  });
}

/** Every attack on a connection of its own, since most are cut off for it. */
async function attackAll(t: TestContext, gateway: GatewayProcess, password: string, groupId: string): Promise<void> {
  const { mqttPort: port } = gateway;
  for (const attack of attacks) {
    const peer = await connectPeer(t, { port, agent: "pump-2", password });
    await attack.run(peer, groupId);
    // What was sent has been handled once a HELLO behind it is answered, or when the connection has ended.
    await peer.greet(hostileLane(9)).catch(() => assert.ok(peer.isClosed(), attack.name));
    peer.close();
    assert.ok(gateway.program.process().isRunning(), `the gateway ended after: ${attack.name}\n${gateway.log()}`);
  }
  await pour(port, Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
  await pour(port, Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  for (const [agent, clientId] of [
    ["pump-1", undefined],
    ["pump-2", "pump-1.0123456789abcdef"],
    ["nobody", undefined],
  ] as const) {
    const options = clientId === undefined ? { port, agent, password } : { port, agent, password, clientId };
    await assert.rejects(connectPeer(t, options), `a login as ${agent} with ${clientId ?? "its own id"}`);
  }
}

test("I4, I8: hostile agents cost bounded memory, and another agent's readings arrive exactly once", async (t) => {
  const gateway = await layGateway(t);
  const own = (await gateway.run("agent", "add", "pump-1")).stdout.trim();
  const hostile = (await gateway.run("agent", "add", "pump-2")).stdout.trim();
  await gateway.program.start();
  let peakBytes = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      peakBytes = Math.max(peakBytes, gateway.rssBytes());
      await sleep(20);
    }
  })();
  const good = await connectPeer(t, { port: gateway.mqttPort, agent: "pump-1", password: own });
  const { groupId } = await good.greet(agentLane());
  const behaving = behave(good, agentLane(), () => over);
  try {
    await attackAll(t, gateway, hostile, groupId);
  } finally {
    over = true;
  }
  const newest = await behaving;
  await watching;
  await until("everything is forwarded", async () => (await gateway.program.status()).pendingReadings === 0);
  const status = await gateway.program.status();
  assert.ok(status.refused.malformed !== undefined && status.refused.malformed > 0);
  assert.ok((status.refused.fragmented ?? 0) > 0 && (status.refused.unsupported ?? 0) > 0);
  assert.ok(status.trouble === null, status.trouble ?? "");
  assert.deepEqual(await gateway.program.stop(), { code: 0, signal: null });

  const lines = await gateway.lines();
  const seqs = lines.flatMap(({ agent, seq, value }) => (agent === "pump-1" ? [[seq, value]] : []));
  assert.deepEqual(
    seqs.sort(([a = 0], [b = 0]) => Number(a) - Number(b)),
    Array.from({ length: newest }, (_, at) => [at + 1, at + 1]),
  );
  assert.equal(lines.filter(({ agent, kind }) => agent === "pump-1" && kind !== "reading").length, 0);
  const logged = gateway.log().split("\n").length;
  assert.ok(logged < 200, `${logged} lines of log`);
  const bombs = lines.filter(({ epoch }) => epoch === hostileLane(11).lane.epoch).map(({ kind }) => kind);
  assert.deepEqual(bombs, Array(10).fill("dead-letter"), "a bomb is kept as it came");
  const renewals = gateway.log().match(/the journal went back/g)?.length ?? 0;
  assert.ok(renewals <= 1, `${renewals} renewals by an agent that lies`);
  const perRange = lines.filter(({ epoch }) => epoch === hostileLane(12).lane.epoch).length;
  assert.equal(perRange, rangesMax, "a position of more ranges than its limit");
  t.diagnostic(`peak RSS ${Math.round(peakBytes / 1e6)} MB, ${newest} readings of the well-behaved agent`);
  assert.ok(peakBytes < rssBytesMax, `${peakBytes} bytes resident`);
});
