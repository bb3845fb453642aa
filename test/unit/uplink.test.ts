import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { LinkDownReason, LinkEvents } from "../../agent/uplink/link.ts";
import { createUplink, type UplinkOptions } from "../../agent/uplink/uplink.ts";
import { decodeMessage, encodeMessage } from "../../shared/protocol/codec.ts";
import type {
  Ask,
  Batch,
  DownMessage,
  Hello,
  Nack,
  Position,
  UpMessage,
  Welcome,
} from "../../shared/protocol/messages.ts";
import type { Range } from "../../shared/ranges.ts";
import { append, appendLarge, type Kept, keptStore, manyEpochs, theLane, upTo, wallUs } from "../fakes/agent-store.ts";

const groupId = "b".repeat(32);
const journalId = "c".repeat(32);
const answerTimeoutMs = 30_000;
const tickMs = 1_000;

/** A gateway that answers only as a test says, over a link that a test breaks. */
function scripted(t: TestContext, options: Partial<UplinkOptions> = {}, kept: Kept = keptStore()) {
  const { env, store } = kept;
  const sent: UpMessage[] = [];
  const connects: string[] = [];
  const alarms: string[] = [];
  const waits: (() => void)[] = [];
  let events: LinkEvents | undefined;
  let holdsBack = false;
  const soon = (action: () => void) => env.after(0, action);
  const watched = { ...env, soon };
  const uplink = createUplink(store, watched, {
    gateways: ["sim://one"],
    agentVersion: "test",
    answerTimeoutMs,
    sendWindow: 4,
    lingerMs: 0,
    priorityOf: (stream) => (stream === "alarm" ? 0 : 1),
    alarm: (text) => void alarms.push(text),
    connect(url, now) {
      connects.push(url);
      events = now;
      return {
        send(payload) {
          sent.push(decodeMessage(payload) as UpMessage);
          return holdsBack ? new Promise((resolve) => waits.push(resolve)) : Promise.resolve();
        },
        close() {
          events = undefined;
        },
      };
    },
    ...options,
  });
  t.after(() => uplink.stop());
  /** Lets promises and due timers run. */
  async function settle(ms = 0): Promise<void> {
    for (let i = 0; i < 8; i++) {
      await Promise.resolve();
      env.advance(i === 0 ? ms : 0);
    }
  }
  const take = <T extends UpMessage["type"]>(type: T) => {
    const found = sent.filter((one) => one.type === type) as Extract<UpMessage, { type: T }>[];
    sent.splice(0, sent.length, ...sent.filter((one) => one.type !== type));
    return found;
  };
  const nonce = () => (lastHello as Hello).nonce;
  let lastHello: Hello | undefined;
  async function tell(message: DownMessage): Promise<void> {
    events?.message(encodeMessage(message));
    await settle();
  }
  const welcome = (change: Partial<Welcome> = {}): Welcome => ({
    type: "welcome",
    nonce: nonce(),
    gateway: "one",
    groupId,
    journalId,
    timeUs: wallUs,
    batchBytesMax: 524_288,
    sendWindow: 4,
    codecs: [0, 1, 2],
    gateways: [],
    ...change,
  });
  const position = (
    lane: { stream: string; epoch: string },
    journaled: readonly Range[],
    change: Partial<Position> = {},
  ): Position => ({
    type: "position",
    nonce: nonce(),
    groupId,
    journalId,
    version: 1,
    stream: lane.stream,
    epoch: lane.epoch,
    journaled,
    forwarded: [],
    ...change,
  });
  return {
    ...kept,
    uplink,
    sent,
    connects,
    alarms,
    take,
    tell,
    settle,
    welcome,
    position,
    hello: () => lastHello as Hello,
    holdBack: () => void (holdsBack = true),
    release() {
      holdsBack = false;
      for (const resume of waits.splice(0)) resume();
    },
    async up(): Promise<Hello> {
      events?.up();
      await settle();
      lastHello = take("hello").at(-1);
      return lastHello as Hello;
    },
    async down(reason: LinkDownReason): Promise<void> {
      events?.down({ reason, text: `it is ${reason}` });
      await settle();
    },
    nack: (batch: Batch, change: Partial<Nack>): Nack => ({
      type: "nack",
      nonce: nonce(),
      reason: "busy",
      retryAfterMs: 0,
      stream: batch.stream,
      epoch: batch.record.epoch,
      first: null,
      floor: null,
      ...change,
    }),
    /** Connects, is welcomed, and answers every ASK with an empty position. */
    async join(): Promise<void> {
      uplink.start();
      await this.up();
      await this.tell(welcome());
      await this.answerAsks();
    },
    async answerAsks(): Promise<void> {
      for (let asks = take("ask"); asks.length > 0; asks = take("ask")) {
        for (const ask of asks) for (const entry of ask.entries) await this.tell(position(entry, [], { version: 0 }));
      }
    },
  };
}

const laneOf = (batch: Batch) => ({ stream: batch.stream, epoch: batch.record.epoch });
/** The range that a gateway has after it took a batch. */
function taken(batch: Batch, from = batch.blocks[0]): Range {
  const last = batch.blocks[batch.blocks.length - 1] as Batch["blocks"][number];
  return {
    first: from?.first ?? 1,
    last: last.first + last.count - 1,
    before: from?.before ?? null,
    after: last.after,
  };
}

const spans = (batches: readonly Batch[]) =>
  batches.map(({ stream, blocks }) => [
    stream,
    blocks[0]?.first,
    (blocks.at(-1)?.first ?? 0) + (blocks.at(-1)?.count ?? 0) - 1,
  ]);

void test("a session: HELLO, WELCOME, an ASK for each lane, and only then batches, the urgent stream first", async (t) => {
  const link = scripted(t);
  append(link.store, [1, 2]);
  append(link.store, [3], "alarm");
  link.uplink.start();
  const hello = await link.up();
  assert.deepEqual([hello.groupId, hello.storeId, hello.lowestUnsettledRun], [null, link.store.storeId, 1]);
  await link.tell(link.welcome());
  const [ask] = link.take("ask") as [Ask];
  assert.deepEqual(
    ask.entries.map((entry) => [entry.stream, entry.newest, entry.version]),
    [
      ["telemetry", 2, 0],
      ["alarm", 1, 0],
    ],
  );
  assert.deepEqual(link.take("batch"), [], "nothing is sent before its lane was answered");
  for (const entry of ask.entries) await link.tell(link.position(entry, [], { version: 0 }));
  for (const batch of link.take("batch")) await link.tell(link.position(laneOf(batch), [taken(batch)]));
  append(link.store, [4]);
  append(link.store, [5], "alarm");
  link.uplink.appended();
  await link.settle();
  assert.deepEqual(spans(link.take("batch")), [
    ["alarm", 2, 2],
    ["telemetry", 3, 3],
  ]);
  assert.equal(link.store.group(), groupId);
});

void test("I2: a batch is delivered only by a position, with the session's nonce and journal, and no lower version", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  const range = taken(batch);
  const pending = () => theLane(link.store).tallies[0].readings;
  await link.tell(link.position(laneOf(batch), [range], { nonce: "0".repeat(16) }));
  await link.tell(link.position(laneOf(batch), [range], { groupId: "d".repeat(32) }));
  assert.equal(pending(), 1);
  await link.tell(link.position(laneOf(batch), [range], { version: 7 }));
  assert.equal(pending(), 0);
  await link.tell(link.position(laneOf(batch), [], { version: 6 }));
  assert.equal(pending(), 0, "an older version changes nothing");
  await link.tell(link.position(laneOf(batch), [range], { version: 7 }));
  assert.equal(pending(), 0, "a repeated one neither");
  assert.equal(link.uplink.status().inFlight, 0);
});

void test("a position of another journal makes the agent greet again and ask anew; what is missing comes again", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  await link.tell(link.position(laneOf(batch), [taken(batch)], { version: 4 }));
  const other = "e".repeat(32);
  await link.tell(link.position(laneOf(batch), [], { journalId: other, version: 9 }));
  const hello = await link.up();
  assert.notEqual(hello.nonce, batch.nonce);
  await link.tell(link.welcome({ journalId: other }));
  const [ask] = link.take("ask") as [Ask];
  assert.equal(ask.entries[0]?.version, 0, "a version of another journal means nothing");
  await link.tell(link.position(laneOf(batch), [], { journalId: other, version: 0 }));
  assert.deepEqual(spans(link.take("batch")), [["telemetry", 1, 1]]);
});

void test("I6: a loss record that a journal holds in part is sent again, whole", async (t) => {
  const quotaBytes = 1024 * 1024;
  const first = keptStore({ quotaBytes });
  for (let i = 0; i < 30; i++) appendLarge(first.store, i);
  const link = scripted(t, {}, keptStore({ quotaBytes }, first.db, first.env));
  link.uplink.start();
  await link.up();
  await link.tell(link.welcome());
  const [ask] = link.take("ask") as [Ask];
  const held = { first: 1, last: 2, before: null, after: null };
  await link.tell(link.position(ask.entries[0] as Ask["entries"][number], [held]));
  const [batch] = link.take("batch") as [Batch];
  assert.deepEqual([batch.blocks[0]?.first, batch.blocks[0]?.codec], [1, 0]);
});

void test("I6, I10: a block that turns out to be damaged when it is sent ends its batch, and goes as a loss record", async (t) => {
  const link = scripted(t);
  for (const n of [1, 2, 3, 4]) append(link.store, [n]);
  link.db.exec("UPDATE block SET bytes = zeroblob(9) WHERE first IN (1, 3)");
  await link.join();
  const blocks: (readonly [number, boolean])[] = [];
  for (let i = 0; i < 30; i++) {
    for (const batch of link.take("batch")) {
      blocks.push(...batch.blocks.map(({ first, codec }) => [first, codec === 0] as const));
      await link.tell(link.position(laneOf(batch), [{ ...taken(batch), first: 1, before: null }], { version: i }));
    }
    await link.settle(tickMs);
  }
  assert.deepEqual(blocks, [
    [1, true],
    [2, false],
    [3, true],
    [4, false],
  ]);
  assert.deepEqual([...link.store.usage().losses], [["corrupt", 2]]);
});

void test("a fork is appended again in a new epoch, alarmed, and the old one is sent no more", async (t) => {
  for (const how of ["position", "conflict"] as const) {
    const link = scripted(t);
    append(link.store, [1, 2]);
    await link.join();
    const [batch] = link.take("batch") as [Batch];
    const foreign = { ...taken(batch), after: "0123456789abcdef" };
    if (how === "position") await link.tell(link.position(laneOf(batch), [foreign]));
    else await link.tell(link.nack(batch, { reason: "conflict", first: 1 }));
    await link.answerAsks();
    const [again] = link.take("batch") as [Batch];
    assert.notEqual(again.record.epoch, batch.record.epoch);
    assert.deepEqual(again.record.givenUp, [batch.record.epoch]);
    assert.ok(again.blocks.every(({ repeated }) => repeated));
    assert.equal(link.uplink.status().forks, 1);
    assert.match(String(link.alarms[0]), /somebody else writes/);
    await link.tell(link.position(laneOf(batch), []));
    await link.tell(link.nack(batch, { reason: "conflict", first: 1 }));
    assert.equal(link.uplink.status().forks, 1, "answers about the old epoch mean nothing any more");
  }
});

void test("expired: appended again above the floor, and asked for before it is sent", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  await link.tell(link.nack(batch, { reason: "expired", floor: 9 }));
  assert.deepEqual(link.take("batch"), []);
  await link.answerAsks();
  assert.equal(link.take("batch")[0]?.record.run, 10);
});

void test("one bad block rests for an hour while all others go on, and is tried again", async (t) => {
  const link = scripted(t);
  for (const n of [1, 2, 3]) append(link.store, [n]);
  await link.join();
  const first = link.take("batch");
  const batch = first[0] as Batch;
  await link.tell(link.nack(batch, { reason: "malformed", first: 2 }));
  assert.equal(link.uplink.status().resting, 1);
  const ranges = (batches: readonly Batch[]) =>
    batches.flatMap(({ blocks }) => blocks).filter((block) => block.first !== 2);
  const seen = new Map<number, Range>();
  for (const block of ranges([...first, ...link.take("batch")])) {
    seen.set(block.first, { first: block.first, last: block.first, before: block.before, after: block.after });
  }
  const journaled = [seen.get(1), seen.get(3)] as Range[];
  await link.tell(link.position(laneOf(batch), journaled));
  append(link.store, [4]);
  link.uplink.appended();
  await link.settle();
  const [next] = link.take("batch") as [Batch];
  assert.deepEqual(spans([next]), [["telemetry", 4, 4]]);
  await link.tell(
    link.position(
      laneOf(batch),
      [seen.get(1) as Range, { ...taken(next), first: 3, before: seen.get(3)?.before ?? null }],
      { version: 2 },
    ),
  );
  assert.equal(link.uplink.status().inFlight, 0, "no batch spans the resting block");
  for (let minutes = 0; minutes < 130; minutes++) {
    await link.settle(60_000);
    for (const ask of link.take("ask")) {
      for (const entry of ask.entries) {
        await link.tell(
          link.position(entry, [seen.get(1) as Range, { ...taken(next), first: 3, before: null }], { version: 3 }),
        );
      }
    }
    const again = link.take("batch");
    if (again.length > 0) {
      assert.deepEqual(spans(again), [["telemetry", 2, 2]]);
      assert.ok(minutes >= 59);
      return;
    }
  }
  assert.fail("the block was never tried again");
});

void test("I9: full and busy pause the sending, each longer than the last within its bound, and it recovers by itself", async (t) => {
  for (const [reason, boundMs] of [
    ["full", 7_200_000],
    ["busy", 3_660_000],
  ] as const) {
    const link = scripted(t);
    append(link.store, [1]);
    await link.join();
    for (let round = 0; round < 14; round++) {
      const [batch] = link.take("batch") as [Batch];
      assert.ok(batch !== undefined, `${reason}, round ${round}`);
      await link.tell(link.nack(batch, { reason, retryAfterMs: Number.MAX_SAFE_INTEGER }));
      let waitedMs = 0;
      while (!link.sent.some(({ type }) => type === "batch")) {
        await link.settle(tickMs * 30);
        waitedMs += tickMs * 30;
        await link.answerAsks();
        assert.ok(waitedMs <= boundMs + tickMs * 60, `${reason} silenced the agent for ${waitedMs} ms`);
      }
    }
  }
});

void test("I7, I9: a silent gateway is left after growing time-outs, each looked at one turn later", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  // A stalled process: the answer waits in the socket while the time passes, and is read in the turn of the timer.
  link.env.advance(9_000);
  await link.tell(link.position(laneOf(batch), [taken(batch)]));
  await link.settle(20_000);
  assert.deepEqual(link.take("batch"), [], "what was answered is not sent again");
  append(link.store, [2]);
  link.uplink.appended();
  await link.settle();
  let resends = link.take("batch").length;
  let passedMs = 0;
  while (link.uplink.status().phase === "syncing") {
    await link.settle(tickMs);
    passedMs += tickMs;
    resends += link.take("batch").length;
    assert.ok(passedMs < 900_000, "it does not wait for ever");
  }
  assert.ok(resends >= 2 && resends <= 8, `${resends} sendings`);
  assert.equal(link.uplink.status().inFlight === 0 || link.uplink.status().phase === "waiting", true);
});

void test("I7: an answer that waits in the socket when a time-out is due is read before anything is sent again", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  await link.settle(10_500);
  // A stalled disk: in the turn in which the look at the time-outs is due, the answer is read after the timers.
  link.env.after(500, () => void link.tell(link.position(laneOf(batch), [taken(batch)])));
  await link.settle(500);
  assert.deepEqual(link.take("batch"), []);
  assert.equal(link.uplink.status().inFlight, 0);
});

void test("I7: a step of the wall clock neither resends nor keeps from resending", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  assert.equal(link.take("batch").length, 1);
  link.env.step(3_600_000);
  for (let i = 0; i < 5; i++) await link.settle(tickMs);
  assert.deepEqual(link.take("batch"), [], "an hour has not passed");
  link.env.step(-7_200_000);
  for (let i = 0; i < 7; i++) await link.settle(tickMs);
  assert.equal(link.take("batch").length, 1, "what was not answered is sent again when its time has passed");
});

void test("I4: blocks that were sent keep their ends, since a position may come to stand between them", async (t) => {
  const link = scripted(t);
  for (const first of [0, 600]) append(link.store, upTo(first, 600));
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  const [head] = batch.blocks as [Batch["blocks"][number]];
  assert.equal(batch.blocks.length, 2);
  while (link.store.maintain());
  await link.tell(link.position(laneOf(batch), [taken({ ...batch, blocks: [head] })]));
  assert.equal(link.uplink.status().forks, 0);
  assert.equal(theLane(link.store).tallies[0].readings, 600);
});

void test("no WELCOME: the next gateway is tried; a foreign one is left with an alarm", async (t) => {
  const link = scripted(t, { gateways: ["sim://one", "sim://two"] });
  append(link.store, [1]);
  link.uplink.start();
  await link.up();
  for (let i = 0; i < 32; i++) await link.settle(tickMs);
  for (let i = 0; i < 3 && link.connects.length < 2; i++) await link.settle(tickMs);
  assert.equal(new Set(link.connects).size, 2);
  link.store.setGroup(groupId);
  await link.up();
  await link.tell(link.welcome());
  await link.down("lost");
  await link.settle(60_000);
  await link.up();
  await link.tell(link.welcome({ groupId: "d".repeat(32) }));
  assert.match(String(link.alarms.at(-1)), /another group/);
  assert.equal(link.uplink.status().phase, "waiting");
});

void test("I10: a group that cannot be noted is not joined", async (t) => {
  const kept = keptStore();
  const setGroup = (): never => {
    throw Object.assign(new Error("full"), { code: "SQLITE_FULL" });
  };
  const link = scripted(t, {}, { ...kept, store: { ...kept.store, setGroup } });
  link.uplink.start();
  await link.up();
  await assert.rejects(link.tell(link.welcome()), { code: "SQLITE_FULL" });
  assert.deepEqual([link.uplink.status().phase, link.uplink.status().group], ["waiting", null]);
});

void test("messages of no use: junk, a message only agents send, and anything after a stop", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  await link.join();
  const [batch] = link.take("batch") as [Batch];
  await link.tell(batch as unknown as DownMessage);
  assert.equal(link.uplink.status().phase, "syncing");
  link.uplink.stop();
  append(link.store, [2]);
  link.uplink.appended();
  await link.settle(100_000);
  assert.deepEqual(link.take("batch"), []);
  assert.equal(link.env.pending, 0, "no timer is left");
});

void test("what a slow link has not taken yet is not sent twice, however long it takes", async (t) => {
  const link = scripted(t);
  append(link.store, [1]);
  link.uplink.start();
  await link.up();
  await link.tell(link.welcome());
  link.holdBack();
  await link.answerAsks();
  assert.equal(link.take("batch").length, 1);
  for (let i = 0; i < 120; i++) await link.settle(tickMs);
  assert.deepEqual(link.take("batch"), []);
  link.release();
  await link.settle(5_000);
  assert.deepEqual(link.take("batch"), [], "its time runs from now");
  await link.settle(15_000);
  assert.equal(link.take("batch").length, 1);
});

void test("I8: more than a page of epochs is asked for page by page and sent, and asked for again after an hour", async (t) => {
  const link = scripted(t, {}, manyEpochs(70));
  link.uplink.start();
  await link.up();
  await link.tell(link.welcome());
  const [page] = link.take("ask") as [Ask];
  assert.equal(page.entries.length, 64);
  for (const entry of page.entries) await link.tell(link.position(entry, [], { version: 0 }));
  const [rest] = link.take("ask") as [Ask];
  assert.equal(rest.entries.length, 6);
  for (const entry of rest.entries) await link.tell(link.position(entry, [], { version: 0 }));
  const epochs = new Set<string>();
  for (let i = 0; i < 200 && epochs.size < 70; i++) {
    for (const batch of link.take("batch")) {
      epochs.add(batch.record.epoch);
      await link.tell(link.position(laneOf(batch), [taken(batch)]));
    }
    await link.settle();
  }
  assert.equal(epochs.size, 70);
  await link.settle(3_600_000);
  await link.settle(tickMs);
  assert.equal(link.take("ask")[0]?.entries.length, 64, "journaled is not forwarded: they are unsettled still");
});
