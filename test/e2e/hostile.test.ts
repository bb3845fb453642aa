/**
 * A gateway process among hostile agents: whatever they send, it stays up, its memory stays bounded (I8), and what a
 * well-behaved agent sends in the meantime reaches the queue exactly once.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { sleep, until } from "../../demo/waiting.ts";
import { lastOf } from "../../shared/block/block.ts";
import { rangesMax } from "../../shared/limits.ts";
import type { Batch, Message, Position } from "../../shared/protocol/messages.ts";
import { covers } from "../../shared/ranges.ts";
import { type AgentLane, agentLane } from "../fakes/agent-lane.ts";
import { attacks, hostileLane, readings } from "../fakes/attacks.ts";
import { type GatewayProcess, layGateway } from "../fakes/gateway-process.ts";
import { connectPeer, type Peer } from "../fakes/peer.ts";

/** Far above what was measured (about 220 MB), far below what any of the attacks would cost unbounded. */
const rssBytesMax = 400 * 1024 * 1024;
const batchReadings = 20;

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
