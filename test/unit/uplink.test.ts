import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ask, Batch, DownMessage } from "../../shared/protocol/messages.ts";
import { append, keptStore, manyEpochs } from "../fakes/agent-store.ts";
import { groupId, laneOf, scripted, spans, taken, tickMs } from "../fakes/scripted-gateway.ts";

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
