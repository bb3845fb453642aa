/** What ingress does with the replicated journal, under requests that run in any order, get lost, and land late. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LaneWriter, openLaneWriter } from "../../gateway/journal/jetstream/lane-writer.ts";
import {
  decodeLaneMessage,
  emptyPage,
  encodeLaneMessage,
  encodeLaneRecord,
  encodeStoreRecord,
} from "../../gateway/journal/jetstream/messages.ts";
import { laneKeyOf, storeKeyOf, subjectOf } from "../../gateway/journal/jetstream/names.ts";
import type { JournalArchive, JournalStream } from "../../gateway/journal/jetstream/stream.ts";
import type { Answer, LaneState } from "../../gateway/journal/journal.ts";
import { type Block, lastOf } from "../../shared/block/block.ts";
import { covers, gaps } from "../../shared/ranges.ts";
import { agentLane, rangeOf, synced } from "../fakes/agent-lane.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeJournalStream } from "../fakes/journal-stream.ts";
import { openWeather } from "../fakes/journal-weather.ts";
import { seededDice } from "../sim/dice.ts";

interface Ground {
  readonly stream: JournalStream;
  readonly archive: JournalArchive;
}

const shards = 1;
const writerOn = ({ stream, archive }: Ground, hasRoom = () => true): LaneWriter =>
  openLaneWriter({ stream, archive, shards, hasRoom, log: silent });

/** What agents were told, and what may never be told: two positions under one version, or less under a higher one. */
function openWitness() {
  const told = new Map<string, LaneState[]>();
  return {
    told,
    heard({ state }: Answer): void {
      if (state === null) return;
      const known = told.get(state.lane.epoch) ?? [];
      for (const other of known) {
        if (other.version === state.version) assert.deepEqual(state, other, "one version tells one position");
        const [older, newer] = other.version < state.version ? [other, state] : [state, other];
        for (const { first, last } of older.journaled) {
          assert.ok(covers(newer.journaled, first, last), `version ${newer.version} lacks what ${older.version} had`);
        }
      }
      told.set(state.lane.epoch, [...known, state]);
    },
  };
}

async function history(seed: number): Promise<ReadonlyMap<string, number>> {
  const dice = seededDice(seed);
  const ground = fakeJournalStream();
  const weather = openWeather(ground, dice.next);
  const gateways = [0, 1, 2].map(() => writerOn(weather));
  const lanes = [1, 2].map((run) => {
    const lane = agentLane({ run });
    return { lane, blocks: Array.from({ length: 6 }, (_, at) => (at === 3 ? lane.loss(4) : lane.block(3))) };
  });
  const witness = openWitness();
  const under = new Set<Promise<void>>();
  const below = (end: number): number => Math.floor(dice.next() * end);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;

  function ask(answer: Promise<Answer>): void {
    const heard = answer.then(witness.heard);
    under.add(heard);
    void heard.finally(() => under.delete(heard)).catch(() => undefined);
  }
  function send({ lane, blocks }: (typeof lanes)[number], at: number, count: number): void {
    ask(pick(gateways).take("pump-1", lane.batch(blocks.slice(at, at + count))));
  }

  for (let turn = 0; turn < 120; turn++) {
    const what = below(20);
    const one = pick(lanes);
    if (what < 3) send(one, below(6), 1 + below(3));
    else if (what === 3) ask(pick(gateways).ask("pump-1", one.lane.ask()));
    else if (what === 4) await weather.late();
    // A gateway that starts anew knows nothing; what the one before had under way goes on.
    else if (what === 5) gateways[below(3)] = writerOn(weather);
    else await weather.step();
  }
  weather.calm();
  for (let round = 0; round < 6; round++) {
    while (await weather.step());
    for (const one of lanes) send(one, 0, 6);
  }
  while (await weather.step());
  await Promise.all(under);

  for (const { lane, blocks } of lanes)
    checkLane(await messagesOf(ground.stream, subjectOf(lane.lane, shards)), blocks);
  return weather.seen;
}

async function messagesOf(stream: JournalStream, subject: string) {
  const all = await stream.read("", 1, { messagesMax: 1e6, bytesMax: 1e9, waitMs: 0 });
  return all.filter((one) => one.subject === subject).map(({ seq, bytes }) => ({ seq, ...decodeLaneMessage(bytes) }));
}

/** Each message follows the one before it, and holds what that one lacked; together they hold everything, once. */
function checkLane(messages: Awaited<ReturnType<typeof messagesOf>>, blocks: readonly Block[]): void {
  let before = { seq: 0, journaled: [] as readonly { first: number; last: number }[] };
  for (const { seq, prev, page, blocks: added } of messages) {
    assert.equal(prev, before.seq);
    for (const block of added) {
      const { first, last } = rangeOf(block);
      assert.deepEqual(gaps(before.journaled, first, last), [{ first, last }], "a block is stored once");
      assert.ok(covers(page.journaled, first, last));
    }
    before = { seq, journaled: page.journaled };
  }
  const end = lastOf(blocks.at(-1) as Block);
  assert.ok(covers(before.journaled, 1, end), "all that was sent is journaled in the end");
  const stored = messages.flatMap((one) => one.blocks).reduce((sum, { count }) => sum + count, 0);
  assert.equal(stored, end);
}

test("I3, I4: gateways race, requests time out and land late, leaders are outdated: each seq is stored once, and no position is taken back", async () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= 200; seed++) {
    const found = await history(seed).catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
    for (const [kind, times] of found) seen.set(kind, (seen.get(kind) ?? 0) + times);
  }
  for (const kind of ["answer lost", "in flight", "landed late", "outdated answer"])
    assert.ok((seen.get(kind) ?? 0) > 50, kind);
});

/** A lane that was folded: its messages are gone, and the archive has its position. */
async function folded() {
  const ground = fakeJournalStream();
  const lane = agentLane();
  const blocks = [lane.block(3), lane.block(3)];
  const { storeId } = lane.record;
  // Sequences of a stream only grow: whatever comes now lies behind what was folded.
  for (let seq = 0; seq < 40; seq++) await ground.stream.publish("0.others.come.first", seq, new Uint8Array(1));
  const all = [{ ...rangeOf(blocks[0] as Block), last: 6, after: (blocks[1] as Block).after }];
  const page = { ...emptyPage(storeId, 1), journaled: all, forwarded: all, newest: 6 };
  await ground.archive.put(laneKeyOf(lane.lane), 0, encodeLaneRecord({ version: 40, page }));
  return { ground, lane, blocks, page };
}

test("I4: a first message that lands after its lane was folded tells nothing before it is united with the archive", async () => {
  const { ground, lane, blocks, page } = await folded();
  const subject = subjectOf(lane.lane, shards);
  const [block] = blocks as [Block];
  const late = { ...emptyPage(lane.record.storeId, 1), journaled: [rangeOf(block)], newest: 3 };
  const message = { prev: 0, isRepair: false, page: late, record: lane.record, clock: synced, blocks: [block] };
  await ground.stream.publish(subject, 0, encodeLaneMessage(message));
  const { state } = await writerOn(ground).ask("pump-1", lane.ask(40));
  assert.deepEqual(state?.journaled, page.journaled);
  assert.deepEqual(state?.forwarded, page.forwarded);
  const held = await writerOn(ground).take("pump-1", lane.batch(blocks));
  assert.deepEqual(held.state?.forwarded, page.forwarded);
});

test("a folded lane answers from the archive, with the version it had", async () => {
  const { ground, lane, blocks, page } = await folded();
  const writer = writerOn(ground);
  for (const answer of [await writer.ask("pump-1", lane.ask(40)), await writer.take("pump-1", lane.batch(blocks))]) {
    assert.deepEqual(answer, {
      state: { lane: lane.lane, version: 40, journaled: page.journaled, forwarded: page.forwarded },
      refusals: [],
    });
  }
});

test("I4: an epoch at or below the floor that nobody knows is expired", async () => {
  const ground = fakeJournalStream();
  const old = agentLane({ run: 3 });
  await ground.archive.put(
    storeKeyOf("pump-1", old.record.storeId),
    0,
    encodeStoreRecord({ floor: 3, lowestUnsettledRun: 9 }),
  );
  const answer = await writerOn(ground).take("pump-1", old.batch([old.block(3)]));
  assert.equal(answer.state, null);
  assert.deepEqual(
    answer.refusals.map(({ reason, floor }) => [reason, floor]),
    [["expired", 3]],
  );
  const young = agentLane({ run: 4 });
  assert.deepEqual((await writerOn(ground).take("pump-1", young.batch([young.block(3)]))).refusals, []);
});

for (const [title, damage] of [
  ["cannot be read", true],
  ["is gone, though an agent has seen it", false],
] as const) {
  test(`I10: a newest message that ${title} is answered as busy, until the forwarder has put a position`, async () => {
    const ground = fakeJournalStream();
    const lane = agentLane();
    const writer = writerOn(ground);
    const { state } = await writer.take("pump-1", lane.batch([lane.block(3)]));
    const seen = state?.version ?? 0;
    const subject = subjectOf(lane.lane, shards);
    if (damage) await ground.stream.publish(subject, seen, Buffer.from("junk"));
    const again = writerOn(ground);
    const version = damage ? seen : seen + 100;
    for (const answer of [await again.ask("pump-1", lane.ask(version)), await again.ask("pump-1", lane.ask(0))]) {
      assert.deepEqual([answer.state, answer.refusals[0]?.reason], [null, "busy"]);
    }
    const newest = await ground.stream.newest(subject);
    assert.ok(newest !== null && decodeLaneMessage(newest.bytes).isRepair);
    const taken = await again.take("pump-1", lane.batch([lane.block(3)]));
    assert.deepEqual([taken.state, taken.refusals[0]?.reason], [null, "busy"]);
  });
}

test("I10: what a newer version wrote is left alone", async () => {
  const ground = fakeJournalStream();
  const lane = agentLane();
  const { crc32 } = await import("node:zlib");
  const body = Buffer.from([0x81, 0x02]);
  const whole = Buffer.concat([body, Buffer.alloc(4)]);
  whole.writeUInt32BE(crc32(body), body.length);
  await ground.stream.publish(subjectOf(lane.lane, shards), 0, whole);
  await assert.rejects(writerOn(ground).ask("pump-1", lane.ask()), { code: "too-new" });
  assert.deepEqual((await ground.stream.newest(subjectOf(lane.lane, shards)))?.bytes, Uint8Array.from(whole));
});

test("I6: a stream that is nearly full refuses, and a position is told all the same", async () => {
  const ground = fakeJournalStream();
  const lane = agentLane();
  const blocks = [lane.block(3), lane.block(3)];
  await writerOn(ground).take("pump-1", lane.batch(blocks.slice(0, 1)));
  const writer = writerOn(ground, () => false);
  const refused = await writer.take("pump-1", lane.batch(blocks));
  assert.deepEqual([refused.state, refused.refusals[0]?.reason], [null, "full"]);
  assert.equal((await writer.ask("pump-1", lane.ask())).state?.journaled[0]?.last, 3);
});
