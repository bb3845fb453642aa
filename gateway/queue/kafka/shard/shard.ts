/**
 * One shard of the Kafka queue: its lanes and its terms. Whatever fails in a way that leaves a doubt ends the term, and
 * the next one begins with the first step of a start; there is no other way back.
 */
import { backoffMs } from "../../../../shared/backoff.ts";
import { Fault, messageOf } from "../../../../shared/errors.ts";
import type { Ranges } from "../../../../shared/ranges.ts";
import { takeTurns } from "../../../turns.ts";
import type { Letter, LetterState } from "../../dead-letters.ts";
import type { Floor, Lane, LanePosition, Outcome } from "../../queue.ts";
import { ClusterError, type Place } from "../cluster.ts";
import {
  floorText,
  type LaneRecord,
  laneText,
  type ShardRecord,
  type SwitchRecord,
} from "../records/position-records.ts";
import { closedFault, staleFault, takenFault, unreleasedFault } from "../refusals.ts";
import type { RoomKeeper } from "../room.ts";
import { troubleFault } from "../trouble.ts";
import { type BaseKeeper, keepBase } from "./base-keeper.ts";
import { newestRecord } from "./newest-record.ts";
import { planReplay, stateOfReplay } from "./replay.ts";
import { beginTerm, type Site, type Term, write } from "./term.ts";

export interface ShardOptions extends Omit<Site, "positions" | "transactionalId" | "pause" | "checkOwner"> {
  readonly positionsTopic: string;
  readonly room: RoomKeeper;
  /** Something was released, or a new generation began. */
  readonly onProgress: () => void;
}

export interface ShardProgress {
  /** Counts the terms; -1 before the first. */
  readonly generation: number;
  /** The latest transaction, and the latest one that is released. */
  readonly t: number;
  readonly releasedT: number;
}

export interface Shard {
  /** Begins a term, unless one runs. @throws Fault */
  start(): Promise<void>;
  progress(): ShardProgress;
  positions(): Iterable<LanePosition>;
  /** @throws Fault `closed` once another gateway has taken the shard over */
  forwarded(lane: Lane): Ranges;
  released(lane: Lane): Ranges;
  releasedPositions(): Iterable<LanePosition>;
  floors(): Iterable<Floor>;
  /** @param generation the one in which the caller looked at the positions */
  commit(outcomes: readonly Outcome[], positions: readonly LanePosition[], generation: number): Promise<void>;
  forget(floor: Floor, lanes: readonly Lane[]): Promise<void>;
  /** Writes a record that no rule reads. */
  note(change: SwitchRecord): Promise<void>;
  /** Writes what is not there yet of a dead letter's replay. @throws Fault as DeadLetters.replay */
  replay(letter: Letter, body: Outcome["body"]): Promise<void>;
  replayed(id: string): LetterState;
  /** What stands below this offset of a partition can no longer be lost. */
  releasedTo(place: Place): number;
  /** Lets what is under way end, but no longer than `graceMs`: brokers that do not answer must not hold a stop up. */
  close(graceMs: number): Promise<void>;
}

/** Transactions that wait for their release; beyond it commits wait too (I8). */
const entriesMax = 100_000;
/** How often the base is looked at, as a part of the settle time, and its bounds. */
const tickPart = 1 / 4;
const tickMsMin = 20;
const tickMsMax = 1_000;

export function openShard(options: ShardOptions): Shard {
  const { cluster, env, log, namespace, shard, settleMs, positionsTopic } = options;
  const transactionalId = `${namespace}-${shard}`;
  const positions = { topic: positionsTopic, partition: shard };
  const site: Site = { ...options, positions, transactionalId, pause, checkOwner };
  const turns = takeTurns();
  let producer = cluster.producer(transactionalId);
  let sizes = options.room.now();
  /** A refusal for size that nothing was made smaller for. */
  let tooLarge: ClusterError | undefined;
  let running: { term: Term; base: BaseKeeper } | undefined;
  /** The latest term, also after its end: until the next one begins it is the best that is known. */
  let latest: Term | undefined;
  let generation = -1;
  let fenced: Fault | undefined;
  let failures = 0;
  let rest: { untilMs: number; why: unknown } | undefined;
  let closing = false;
  let wake: () => void = () => {};
  /** Rejects what still runs when the grace of a close is over. */
  const given = Promise.withResolvers<never>();
  given.promise.catch(() => undefined);

  async function pause(delayMs: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    wake = woken.resolve;
    const timer = env.after(delayMs, woken.resolve);
    await woken.promise;
    timer.cancel();
    refuseClosed();
  }

  function refuseClosed(): void {
    if (closing) throw closedFault();
  }

  async function ready(): Promise<Term> {
    refuseClosed();
    refuseFenced();
    if (running !== undefined) return running.term;
    // Two gateways that take one shard from each other must not do so all day, and a dead cluster is not asked all day.
    if (isResting()) throw troubleFault(rest?.why, positionsTopic);
    await refuseWhenTaken();
    if (tooLarge !== undefined) await makeSmaller(tooLarge);
    const term = await beginTerm(site, producer);
    running = { term, base: keepBase(site, term) };
    latest = term;
    generation++;
    failures = 0;
    rest = undefined;
    options.onProgress();
    return term;
  }

  async function makeSmaller(refused: ClusterError): Promise<void> {
    try {
      await options.room.shrink(refused, sizes);
    } catch (error) {
      // Only the refused step itself can tell whether somebody has mended the topic.
      if (error instanceof Fault && error.retryable) tooLarge = undefined;
      throw error;
    }
    tooLarge = undefined;
    newProducer();
  }

  function newProducer(): void {
    producer = cluster.producer(transactionalId);
    sizes = options.room.now();
  }

  /** Whoever else has written the shard's record since owns the shard: to fence that one back would never end. */
  async function refuseWhenTaken(): Promise<void> {
    if (latest === undefined) return;
    checkOwner(await newestRecord(site));
  }

  function checkOwner({ owner, t }: ShardRecord): void {
    if (latest === undefined || owner === options.owner || t <= latest.record.t) return;
    fenced = takenFault(shard, owner);
    // Whoever waits for a release must look again, and is refused then.
    generation++;
    options.onProgress();
    throw fenced;
  }

  function refuseFenced(): void {
    if (fenced !== undefined) throw fenced;
  }

  /** Runs a step in its turn; a doubt that it leaves ends the term. */
  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    return turns.take(async () => {
      const hadTerm = running !== undefined;
      try {
        return await Promise.race([step(), given.promise]);
      } catch (error) {
        if (error instanceof ClusterError) await letGo(error);
        else if (!hadTerm && running === undefined && !closing) rests(error);
        throw troubleFault(error, positionsTopic);
      }
    });
  }

  function isResting(): boolean {
    return rest !== undefined && env.monoMs() < rest.untilMs;
  }

  function rests(why: unknown): void {
    if (isResting()) return;
    rest = { untilMs: env.monoMs() + backoffMs(failures++, env.random()), why };
  }

  async function letGo(error: ClusterError): Promise<void> {
    if (running === undefined) rests(error);
    if (error.trouble === "too-large") tooLarge = error;
    running = undefined;
    if (error.trouble === "abort" || error.trouble === "too-large") await producer.abort().catch(() => undefined);
    await producer.close().catch(() => undefined);
    newProducer();
  }

  async function keepHouse(): Promise<void> {
    if (running === undefined) return isResting() ? undefined : void (await inTurn(ready));
    const { term, base } = running;
    const isReleased = await base.keep((step) =>
      inTurn(async () => {
        if (running?.term === term) await step();
      }),
    );
    if (isReleased) options.onProgress();
  }

  const tickMs = Math.max(tickMsMin, Math.min(tickMsMax, settleMs * tickPart));
  let timer = env.after(tickMs, tick);
  /** What was said last; a topic that is gone would be told of with every tick. */
  let said = "";
  function tick(): void {
    keepHouse()
      .then(() => void (said = ""))
      .catch((error: unknown) => {
        if (messageOf(error) !== said) log.warn({ err: error, shard }, `the queue rests: ${messageOf(error)}`);
        said = messageOf(error);
      })
      .finally(() => {
        if (!closing && fenced === undefined) timer = env.after(tickMs, tick);
      });
  }

  return {
    start: () => inTurn(async () => void (await ready())),
    progress: () => ({ generation, t: latest?.record.t ?? 0, releasedT: latest?.releasedT ?? 0 }),
    released(lane) {
      refuseFenced();
      return latest?.lanes.get(laneText(lane))?.base ?? [];
    },
    *releasedPositions() {
      for (const { lane, storeId, run, base, forgotten } of latest?.lanes.values() ?? []) {
        if (!forgotten && base.length > 0) yield { lane, storeId, run, forwarded: base };
      }
    },
    *positions() {
      for (const { lane, storeId, run, ranges, forgotten } of latest?.lanes.values() ?? []) {
        if (!forgotten) yield { lane, storeId, run, forwarded: ranges };
      }
    },
    forwarded(lane) {
      refuseFenced();
      return latest?.lanes.get(laneText(lane))?.ranges ?? [];
    },
    floors: () => latest?.floors.values() ?? [],
    commit: (outcomes, moved, seen) =>
      inTurn(async () => {
        const term = await ready();
        if (seen !== generation) throw staleFault();
        if (term.entries.length > entriesMax) throw unreleasedFault();
        const changed = moved.map(({ lane, storeId, run, forwarded }): LaneRecord => {
          const base = term.lanes.get(laneText(lane))?.base ?? [];
          return { lane, storeId, run, t: 0, ranges: forwarded, base, forgotten: false };
        });
        await write(site, term, { outcomes, lanes: changed });
      }),
    forget: (floor, lanes) =>
      inTurn(async () => {
        const term = await ready();
        const key = floorText(floor);
        const raised = { ...floor, run: Math.max(floor.run, term.floors.get(key)?.run ?? 0) };
        const gone = lanes.flatMap((lane): LaneRecord[] => {
          const entry = term.lanes.get(laneText(lane));
          return entry === undefined ? [] : [{ ...entry, ranges: [], base: [], forgotten: true }];
        });
        await write(site, term, { lanes: gone, others: [{ kind: "floor", floor: raised }] });
        term.floors.set(key, raised);
      }),
    note: (change) => inTurn(async () => write(site, await ready(), { others: [{ kind: "switch", change }] })),
    replay: (letter, body) =>
      inTurn(async () => {
        const term = await ready();
        await write(site, term, planReplay(site, term.replays, letter, body));
      }),
    replayed(id) {
      refuseFenced();
      return stateOfReplay(id, latest?.replays.get(id));
    },
    releasedTo({ topic, partition }) {
      refuseFenced();
      return latest?.record.bases[topic]?.newest[partition] ?? 0;
    },
    async close(graceMs) {
      closing = true;
      timer.cancel();
      wake();
      const grace = env.after(graceMs, () => given.reject(closedFault()));
      await turns.take(() => undefined);
      grace.cancel();
      await producer.close().catch(() => undefined);
    },
  };
}
