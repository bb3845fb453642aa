import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { type Ingress, startIngress } from "../../gateway/ingress/ingress.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { type Block, codecColumns, codecColumnsZstd } from "../../shared/block/block.ts";
import { encodeCbor } from "../../shared/cbor.ts";
import { realEnv } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import { blockRawBytesMax } from "../../shared/limits.ts";
import { decodeMessage, encodeMessage } from "../../shared/protocol/codec.ts";
import type { Message, Nack, Position, Welcome } from "../../shared/protocol/messages.ts";
import { agentLane, groupId, helloOf, nonce } from "../fakes/agent-lane.ts";
import { journalInMemory, silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

interface Session {
  readonly journal: Journal;
  readonly ingress: Ingress;
  readonly alarms: string[];
  /** Sends a message and returns what came back. */
  readonly ask: (message: Message) => Promise<Message[]>;
  readonly askBytes: (bytes: Uint8Array) => Promise<Message[]>;
}

async function session(wrap: (journal: Journal) => Journal = (journal) => journal): Promise<Session> {
  const { journal } = await journalInMemory(fakeQueue().open());
  const sent: Message[] = [];
  const alarms: string[] = [];
  const ingress = startIngress({
    journal: wrap(journal),
    send: (_, bytes) => sent.push(decodeMessage(bytes)),
    gatewayName: "gateway-1",
    advertise: ["mqtts://gateway-1:8883"],
    sendWindow: 4,
    codecs: [codecColumns, codecColumnsZstd],
    env: realEnv(),
    log: silent,
    alarm: (kind) => alarms.push(kind),
  });
  async function askBytes(bytes: Uint8Array): Promise<Message[]> {
    sent.length = 0;
    await ingress.handle("pump-1", bytes);
    return [...sent];
  }
  return { journal, ingress, alarms, askBytes, ask: (message) => askBytes(encodeMessage(message)) };
}

const reasons = (messages: readonly Message[]) =>
  messages.filter((one): one is Nack => one.type === "nack").map(({ reason, first }) => [reason, first]);
const positions = (messages: readonly Message[]) => messages.filter((one): one is Position => one.type === "position");

test("HELLO is answered by WELCOME with group, journal id and limits", async () => {
  const { ask, journal } = await session();
  const [answer] = (await ask(helloOf(agentLane()))) as [Welcome];
  assert.equal(answer.type, "welcome");
  assert.equal(answer.nonce, nonce);
  assert.equal(answer.groupId, groupId);
  assert.equal(answer.journalId, journal.journalId());
  assert.deepEqual(answer.codecs, [codecColumns, codecColumnsZstd]);
  assert.ok(Math.abs(answer.timeUs / 1000 - Date.now()) < 10_000);
});

test("an unknown protocol version is refused as unsupported", async () => {
  const { ask, alarms } = await session();
  assert.deepEqual(reasons(await ask({ ...helloOf(agentLane()), versions: [2, 3] })), [["unsupported", null]]);
  assert.deepEqual(alarms, ["unsupported"]);
});

test("HELLO, ASK and BATCH of another group are refused, and nothing is taken", async () => {
  const { ask, journal, alarms, ingress } = await session();
  const lane = agentLane();
  const foreign = "d".repeat(32);
  const batch = lane.batch([lane.block(3)]);
  assert.deepEqual(reasons(await ask({ ...helloOf(lane), groupId: foreign })), [["other-group", null]]);
  const asked: Message = { type: "ask", nonce, groupId: foreign, entries: [lane.ask()] };
  assert.deepEqual(reasons(await ask(asked)), [["other-group", null]]);
  assert.deepEqual(reasons(await ask({ ...batch, groupId: foreign })), [["other-group", null]]);
  assert.equal(journal.usage().blocks, 0);
  assert.deepEqual(alarms, ["other-group"], "the same is told once a minute");
  assert.equal(ingress.counters.alarms["other-group"], 3);
});

test("I3: POSITION leaves only after the journal has answered", async () => {
  const gate = Promise.withResolvers<void>();
  const { ingress, ask } = await session((journal) => ({
    ...journal,
    async take(agent, batch) {
      const answer = await journal.take(agent, batch);
      await gate.promise;
      return answer;
    },
  }));
  const lane = agentLane();
  const answered = ask(lane.batch([lane.block(3)]));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ingress.counters.blocks, 0);
  gate.resolve();
  const [position] = positions(await answered);
  assert.deepEqual(
    position?.journaled.map(({ first, last }) => [first, last]),
    [[1, 3]],
  );
});

test("I4: replayed and reordered batches are answered with the same position and taken once", async () => {
  const { ask, journal } = await session();
  const lane = agentLane();
  const batches = [lane.block(3), lane.block(3), lane.block(3)].map((block) => lane.batch([block]));
  const [one, two, three] = batches as [Message, Message, Message];
  for (const batch of [three, one, three, two, one, two]) await ask(batch);
  const [last] = positions(await ask(one));
  assert.deepEqual(
    last?.journaled.map(({ first, last: end }) => [first, end]),
    [[1, 9]],
  );
  assert.equal(last?.version, 3);
  assert.equal(journal.usage().readings, 9);
});

test("one bad block is refused by its first seq; the others of its batch go on", async () => {
  const { ask, alarms, ingress } = await session();
  const lane = agentLane();
  const [good, flipped, strange, lying, last] = [1, 2, 3, 4, 5].map(() => lane.block(2)) as Block[];
  const bytes = Uint8Array.from((flipped as Block).bytes);
  bytes[0] = (bytes[0] as number) ^ 1;
  const noLoss = { ...(last as Block), codec: 0 };
  const answers = await ask(
    lane.batch([
      good as Block,
      { ...(flipped as Block), bytes },
      { ...(strange as Block), codec: 77 },
      { ...(lying as Block), rawBytes: 5 },
      noLoss,
    ]),
  );
  assert.deepEqual(reasons(answers), [
    ["malformed", 3],
    ["unsupported", 5],
    ["malformed", 7],
    ["malformed", 9],
  ]);
  assert.deepEqual(
    positions(answers)[0]?.journaled.map((range) => [range.first, range.last]),
    [[1, 2]],
  );
  assert.deepEqual(alarms, ["malformed", "unsupported"]);
  assert.equal(ingress.counters.alarms.malformed, 3);
});

test("I8: a zstd bomb passes ingress unopened: its CRC is right and nothing is decompressed there", async () => {
  const { ask } = await session();
  const bomb = zstdCompressSync(new Uint8Array(64 * 1024 * 1024));
  const lane = agentLane();
  const block: Block = { ...lane.block(10, bomb, codecColumnsZstd), rawBytes: blockRawBytesMax };
  const before = process.memoryUsage().rss;
  assert.equal(positions(await ask(lane.batch([block])))[0]?.journaled.length, 1);
  assert.ok(process.memoryUsage().rss - before < 48 * 1024 * 1024, "the bomb went off");
});

test("garbage gets NACK malformed where its nonce can be read, and silence where not", async () => {
  const { askBytes, ingress } = await session();
  assert.deepEqual(await askBytes(Buffer.from("not CBOR at all")), []);
  const readable = encodeCbor([4, Buffer.from(nonce, "hex"), "nonsense"]);
  assert.deepEqual(reasons(await askBytes(readable)), [["malformed", null]]);
  const tagged = Buffer.concat([Buffer.from([0x82, 0x04, 0xc2, 0x5a, 0, 3, 0, 0]), Buffer.alloc(3 * 65536, 0xff)]);
  assert.deepEqual(await askBytes(tagged), []);
  assert.deepEqual(await askBytes(new Uint8Array(600 * 1024)), []);
  assert.equal(ingress.counters.nacks.malformed, 3);
  assert.equal(ingress.counters.nacks["too-large"], 1);
});

test("messages that only gateways send are ignored: a POSITION from outside changes nothing", async () => {
  const { ask, journal } = await session();
  const lane = agentLane();
  await ask(lane.batch([lane.block(3)]));
  const { stream, epoch } = lane.lane;
  const forged: Position = {
    type: "position",
    nonce,
    groupId,
    journalId: journal.journalId(),
    version: 99,
    stream,
    epoch,
    journaled: [],
    forwarded: [],
  };
  assert.deepEqual(await ask(forged), []);
  assert.equal(journal.usage().readings, 3);
});

test("a later version in ASK counts only in a session of the present journal id", async () => {
  const { ask, journal } = await session();
  const lane = agentLane();
  const before = journal.journalId();
  const asked: Message = { type: "ask", nonce, groupId, entries: [lane.ask(9)] };
  assert.equal(positions(await ask(asked))[0]?.version, 0);
  assert.equal(journal.journalId(), before, "nobody welcomed this session: its versions may be of another id");
  await ask(helloOf(lane));
  await ask(asked);
  const renewed = journal.journalId();
  assert.notEqual(renewed, before);
  const [position] = positions(await ask(asked));
  assert.equal(position?.journalId, renewed, "the agent sees the new id and says HELLO again");
  assert.equal(journal.journalId(), renewed, "and does not make another one");
});

test("a journal that fails is answered with busy; the next message is handled", async () => {
  let fails = true;
  const { ask } = await session((journal) => ({
    ...journal,
    take: (agent, batch) =>
      fails ? Promise.reject(new Fault("unavailable", { what: "the disk fails" })) : journal.take(agent, batch),
  }));
  const lane = agentLane();
  const batch = lane.batch([lane.block(3)]);
  assert.deepEqual(reasons(await ask(batch)), [["busy", null]]);
  fails = false;
  assert.equal(positions(await ask(batch)).length, 1);
});
