/** Dead letters and what is too large, on a real broker: a gateway, its command line, and Kafka's own consumer. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { runJava } from "../../demo/kafka/java.ts";
import { gatewayScript } from "../../demo/line.ts";
import { until } from "../../demo/waiting.ts";
import type { Block } from "../../shared/block/block.ts";
import { encodeBlocks } from "../../shared/block/encode.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import { type AgentLane, agentLane } from "../fakes/agent-lane.ts";
import { type GatewayProcess, layGateway } from "../fakes/gateway-process.ts";
import { type QueueTopics, topicsIn } from "../fakes/kafka-queue.ts";
import { connectPeer, type Peer } from "../fakes/peer.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { makeTopics } from "./line.ts";

const usualBytes = 1_048_588;

void describe("dead letters on a real broker", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  async function setLimit(topic: string, bytes: number): Promise<void> {
    const where = [
      "--bootstrap-server",
      brokers.bootstrap,
      "--alter",
      "--entity-type",
      "topics",
      "--entity-name",
      topic,
    ];
    await runJava("kafka.admin.ConfigCommand", [...where, "--add-config", `max.message.bytes=${bytes}`]);
  }

  /** A gateway on topics of its own, and a peer that sends it blocks. */
  async function setUp(t: TestContext, namespace: string) {
    const topics = topicsIn(namespace);
    await makeTopics(brokers, topics);
    const gateway = await layGateway(t);
    appendFileSync(gateway.program.configFile, `queue: ${JSON.stringify(queueOf(topics))}\n`);
    const password = (await gateway.run("agent", "add", "pump-1")).stdout.trim();
    await gateway.program.start();
    const greet = async (lane: AgentLane) => {
      const peer = await connectPeer(t, { port: gateway.mqttPort, agent: "pump-1", password });
      return { peer, groupId: (await peer.greet(lane)).groupId };
    };
    return { gateway, topics, greet };
  }

  function queueOf({ namespace, readings, losses, deadLetters, positions }: QueueTopics): object {
    const names = { topic: readings, lossTopic: losses, deadLetterTopic: deadLetters, positionsTopic: positions };
    const fixed = { createTopics: false, partitions: 3, replication: 1, settle: "1s" };
    return { engine: "kafka", kafka: { brokers: brokers.bootstrap.split(","), namespace, ...names, ...fixed } };
  }

  const sendTo = ({ peer, groupId }: { peer: Peer; groupId: string }, lane: AgentLane, ...blocks: Block[]) =>
    peer.send({ ...lane.batch(blocks), groupId });

  void it("I6: what the topic takes no more becomes one, the line goes on, and it comes back once it fits", async (t) => {
    const { gateway, topics, greet } = await setUp(t, "too-large");
    const lane = agentLane();
    const link = await greet(lane);
    sendTo(link, lane, textsBlock(lane, [100, 200]));
    await forwarded(gateway, 2);
    await setLimit(topics.readings, 20_000);
    sendTo(link, lane, textsBlock(lane, [300, 40_000, 500]));
    await forwarded(gateway, 5);
    // Nobody can decode this one.
    sendTo(link, lane, lane.block(2));
    sendTo(link, lane, textsBlock(lane, [600]));
    await forwarded(gateway, 6);
    await until("both are dead letters", async () => (await gateway.program.status()).deadLetters === 2, 10_000);

    const idOf = (seqs: string) => `pump-1/telemetry/${lane.lane.epoch}/${seqs}`;
    const [large, odd] = [idOf("4-4"), idOf("6-7")];
    const listed = await cli(gateway, "list", "--json");
    const letters = listed.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: string; state: string; reason: string });
    assert.deepEqual(letters.map(({ id, state }) => [id, state]).sort(), [
      [large, "open"],
      [odd, "open"],
    ]);
    assert.match(letters.find(({ id }) => id === large)?.reason ?? "", /more than 19488 bytes/);
    assert.match((await cli(gateway, "list")).out, /^id +state .*\n.*4-4 +open/);
    const payload = join(gateway.folder, "payload");
    const shown = await cli(gateway, "show", odd, "--payload", payload);
    assert.equal((JSON.parse(shown.out) as { count: number }).count, 2);
    assert.ok(readFileSync(payload).length > 0);
    const stay = await cli(gateway, "replay", "--all");
    assert.equal(stay.code, 1, stay.err);
    assert.match(stay.err, /4-4 is not replayed: a record takes more than 19488 bytes/);
    assert.match(stay.err, /it cannot be read/);

    await setLimit(topics.readings, usualBytes);
    await gateway.program.stop();
    await gateway.program.start();
    const fits = await cli(gateway, "replay", large);
    assert.deepEqual([fits.code, fits.out], [0, `${large}: 1 seq replayed\n`], fits.err);
    assert.equal((await gateway.program.status()).replayedLetters, 1);
    const twice = await cli(gateway, "replay", large);
    assert.equal(twice.code, 1);
    assert.match(twice.err, /4-4 is not replayed: it was at 20/);
    await gateway.program.stop();
    const withoutGateway = await cli(gateway, "replay", large);
    assert.match(withoutGateway.err, /4-4 is not replayed: it was at 20/);
    assert.match((await cli(gateway, "list")).out, /4-4 +replayed/);
    assert.equal((await cli(gateway, "replay", idOf("1-1"))).code, 64);

    const seen = (await brokers.witnessed(topics.readings)).map(({ headers }) => {
      const named = Object.fromEntries(headers);
      return `${named.seq} ${named.replay ?? ""}`.trim();
    });
    assert.deepEqual(seen.sort(), ["1", "2", "3", `4 ${large}`, "5", "8"]);
  });

  void it("a batch that the topic takes no more is sent in smaller ones, and nothing is a dead letter", async (t) => {
    const { gateway, topics, greet } = await setUp(t, "batches");
    const lane = agentLane();
    const link = await greet(lane);
    sendTo(link, lane, textsBlock(lane, [100]));
    await forwarded(gateway, 1);
    await setLimit(topics.readings, 20_000);
    for (let sent = 0; sent < 3; sent++)
      sendTo(
        link,
        lane,
        textsBlock(
          lane,
          Array.from({ length: 40 }, () => 1_000),
        ),
      );
    await forwarded(gateway, 121);
    assert.equal((await gateway.program.status()).deadLetters, 0);
    assert.equal((await brokers.witnessed(topics.deadLetters)).length, 0);
    assert.equal((await brokers.witnessed(topics.readings)).length, 121);
  });

  void it("I6: dead letters that their own topic refuses wait in the journal until it is mended", async (t) => {
    const { gateway, topics, greet } = await setUp(t, "refused");
    const lane = agentLane();
    const link = await greet(lane);
    sendTo(link, lane, textsBlock(lane, [100]));
    await forwarded(gateway, 1);
    await setLimit(topics.deadLetters, 5_000);
    sendTo(link, lane, lane.block(1, noise(10_000)));
    await until("the alarm is raised", () => /waits until a topic is mended/.test(gateway.log()), 30_000);
    assert.match(gateway.log(), /the topic refused\.dead-letters has max\.message\.bytes=5000/);
    assert.match(gateway.log(), /--add-config max\.message\.bytes=1048588/);
    assert.ok((await gateway.program.status()).pendingReadings >= 1);
    await setLimit(topics.deadLetters, usualBytes);
    await until("it is written", async () => (await gateway.program.status()).deadLetters === 1, 60_000);
    assert.equal((await cli(gateway, "list", "--json")).out.trim().split("\n").length, 1);
  });
});

async function forwarded(gateway: GatewayProcess, readings: number): Promise<void> {
  await until(
    `${readings} readings are forwarded`,
    async () => (await gateway.program.status()).forwardedReadings >= readings,
    30_000,
  );
}

function cli(gateway: GatewayProcess, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const all = [gatewayScript, "dead-letters", ...args, "--config", gateway.program.configFile];
  return new Promise((resolve) => {
    execFile(process.execPath, all, { timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
}

/** The next block of a lane: readings that are texts of these lengths, which nothing makes smaller. */
function textsBlock(lane: AgentLane, lengths: readonly number[]): Block {
  const readings = lengths.map((length, at) => {
    const value = Buffer.from(noise(length)).toString("hex").slice(0, length);
    return { name: "note", timeUs: 1_767_323_045_000_000 + lane.newest() * 1_000_000 + at, value };
  });
  const [encoded] = encodeBlocks(gatherColumns(readings));
  assert.ok(encoded !== undefined);
  return { ...lane.block(lengths.length, encoded.bytes, encoded.codec), rawBytes: encoded.rawBytes };
}

function noise(length: number): Uint8Array {
  let state = length;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}
