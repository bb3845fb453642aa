/**
 * A random history of the replicated journal from batch to queue: gateways race and forget, forwarders overlap, answers are
 * lost, writes land late, leaders are outdated. At the end each seq stands in the queue once, and nothing was taken back.
 */
import assert from "node:assert/strict";
import { openLaneWriter } from "../../../gateway/journal/jetstream/lane-writer.ts";
import { decodeLaneMessage, decodeLaneRecord } from "../../../gateway/journal/jetstream/messages.ts";
import { laneKeyOf, subjectOf } from "../../../gateway/journal/jetstream/names.ts";
import { openRecordNotes } from "../../../gateway/journal/jetstream/record-notes.ts";
import type { Answer, LaneState } from "../../../gateway/journal/journal.ts";
import { lastOf } from "../../../shared/block/block.ts";
import { beyond, covers } from "../../../shared/ranges.ts";
import { type AgentLane, agentLane } from "../../fakes/agent-lane.ts";
import { readings } from "../../fakes/counted-blocks.ts";
import { silent } from "../../fakes/journal-in-memory.ts";
import { fakeJournalStream } from "../../fakes/journal-stream.ts";
import { openWeather, type Weather } from "../../fakes/journal-weather.ts";
import type { FakeQueue } from "../../fakes/queue.ts";
import { fakeQueue } from "../../fakes/queue.ts";
import { seededDice } from "../dice.ts";
import { type ShardForwarder, shardForwarder } from "./forwarder.ts";

const shards = 1;

/** Two epochs of one store: the second one's record says where the first one ended. */
function epochs() {
  const first = agentLane({ run: 1 });
  const blocksOfFirst = [readings(first, 3), first.loss(2), readings(first, 4), readings(first, 1)];
  const predecessor = { epoch: first.lane.epoch, lastSeqs: new Map([["telemetry", first.newest()]]) };
  const second = agentLane({ run: 2, predecessor });
  const blocksOfSecond = [readings(second, 2), readings(second, 5)];
  return [
    { lane: first, blocks: blocksOfFirst },
    { lane: second, blocks: blocksOfSecond },
  ] as const;
}

/** A gateway: what ingress does with the journal. */
function gatewayOn(weather: Weather) {
  const writer = openLaneWriter({ ...weather, shards, hasRoom: () => true, log: silent });
  const notes = openRecordNotes(weather.stream, writer, shards);
  return {
    async take(lane: AgentLane, batch: Parameters<typeof writer.take>[1]): Promise<Answer> {
      await notes.note(lane.lane.agent, batch.record).catch(() => undefined);
      return await writer.take(lane.lane.agent, batch);
    },
    ask: (lane: AgentLane) => writer.ask(lane.lane.agent, lane.ask()),
  };
}

interface Told {
  readonly states: LaneState[];
}

/** Nothing that was told under a lower version is missing under a higher one, and one version tells one position. */
function checkTold({ states }: Told): void {
  const sorted = [...states].sort((a, b) => a.version - b.version);
  for (const [at, state] of sorted.entries()) {
    const next = sorted[at + 1];
    if (next === undefined) return;
    const where = `versions ${state.version} and ${next.version}`;
    if (next.version === state.version) assert.deepEqual(next, state, where);
    assert.deepEqual(beyond(state.journaled, next.journaled), [], where);
    assert.deepEqual(beyond(state.forwarded, next.forwarded), [], where);
  }
}

/** Runs the history of a seed, and returns how often what happened. @throws AssertionError what it found */
export async function runJournalHistory(seed: number): Promise<ReadonlyMap<string, number>> {
  const dice = seededDice(seed);
  const ground = fakeJournalStream();
  const weather = openWeather(ground, dice.next);
  const queue = fakeQueue();
  const lanes = epochs();
  const gateways = [0, 1, 2].map(() => gatewayOn(weather));
  let forwarders = [shardForwarder(weather, queue.open())];
  const told = new Map<AgentLane, Told>(lanes.map(({ lane }) => [lane, { states: [] }]));
  const under = new Set<Promise<unknown>>();
  const at = new Map<ShardForwarder, Promise<boolean>>();

  function follow<T>(work: Promise<T>): Promise<T> {
    under.add(work);
    void work.finally(() => under.delete(work)).catch(() => undefined);
    return work;
  }
  function hear(lane: AgentLane, answer: Promise<Answer>): void {
    void follow(answer.then(({ state }) => void (state !== null && told.get(lane)?.states.push(state))));
  }
  function send({ lane, blocks }: (typeof lanes)[number], from: number, count: number): void {
    hear(lane, dice.pick(gateways).take(lane, lane.batch(blocks.slice(from, from + count))));
  }
  /** Lets a forwarder work where it is not at work; one that was fenced is gone. */
  function forward(forwarder: ShardForwarder): void {
    if (at.has(forwarder)) return;
    const round = follow(forwarder.round());
    at.set(forwarder, round);
    void round.then((isAlive) => {
      at.delete(forwarder);
      if (!isAlive) forwarders = forwarders.filter((one) => one !== forwarder);
    });
  }

  for (let turn = 0; turn < 200; turn++) {
    const what = dice.below(24);
    // The second epoch begins when the first one has ended.
    const one = turn < 60 ? lanes[0] : dice.pick(lanes);
    if (what < 3) send(one, dice.below(4), 1 + dice.below(3));
    else if (what === 3) hear(one.lane, dice.pick(gateways).ask(one.lane));
    else if (what === 4) await weather.late();
    else if (what === 5) gateways[dice.below(3)] = gatewayOn(weather);
    else if (what < 9 && forwarders.length > 0) forward(dice.pick(forwarders));
    else if (what === 9 && dice.chance(0.3))
      forwarders = [...forwarders.slice(-1), shardForwarder(weather, queue.open())];
    else await weather.step();
  }
  weather.calm();
  while (await weather.step());
  forwarders = [shardForwarder(weather, queue.open())];
  for (let round = 0; round < 12; round++) {
    for (const one of lanes) send(one, 0, 4);
    while (await weather.step());
    forward(forwarders[0] as ShardForwarder);
    while (await weather.step());
  }
  await Promise.all(under);
  for (const { lane, blocks } of lanes) {
    checkTold(told.get(lane) as Told);
    checkQueue(queue, lane, lastOf(blocks.at(-1) as (typeof blocks)[number]));
  }
  await checkEnd(ground, lanes);
  return weather.seen;
}

/** The queue has each seq of the lane once. */
function checkQueue({ outcomes }: FakeQueue, { lane }: AgentLane, end: number): void {
  const seqs = outcomes
    .filter((outcome) => outcome.lane.epoch === lane.epoch)
    .flatMap(({ spans }) =>
      spans.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)),
    );
  assert.deepEqual(
    seqs.sort((a, b) => a - b),
    Array.from({ length: end }, (_, i) => i + 1),
    `epoch ${lane.epoch}`,
  );
}

/** The full epoch is in the archive and nowhere else; the other one's only message says that all of it is forwarded. */
async function checkEnd(
  { stream, archive }: ReturnType<typeof fakeJournalStream>,
  [first, second]: ReturnType<typeof epochs>,
) {
  const folded = await archive.get(laneKeyOf(first.lane.lane));
  const { page } = decodeLaneRecord(folded?.bytes ?? new Uint8Array());
  assert.ok(covers(page.forwarded, 1, first.lane.newest()), "the first epoch is folded");
  const left = await stream.read("", 1, { messagesMax: 100, bytesMax: 1e9, waitMs: 0 });
  assert.deepEqual(
    left.map(({ subject }) => subject),
    [subjectOf(second.lane.lane, shards)],
  );
  const { journaled, forwarded } = decodeLaneMessage(left[0]?.bytes ?? new Uint8Array()).page;
  assert.deepEqual(journaled, forwarded);
}
