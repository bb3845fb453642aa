/**
 * One shard of the Kafka queue: its lanes, its transactional producer, its base. One transaction at a time holds records,
 * positions and the shard's record (I5). Whatever fails in a way that leaves a doubt, the shard starts again from its
 * first step; there is no other way back.
 */
import type { Logger } from "pino";
import { backoffMs } from "../../../shared/backoff.ts";
import { crashPoint } from "../../../shared/crash-point.ts";
import type { Env } from "../../../shared/env.ts";
import { Fault, messageOf } from "../../../shared/errors.ts";
import type { Ranges } from "../../../shared/ranges.ts";
import type { Floor, Lane, LanePosition, Outcome } from "../queue.ts";
import { takeTurns } from "../turns.ts";
import { ClusterError, type KafkaCluster, type KafkaRecord, type Place, type TopicInfo } from "./cluster.ts";
import type { RecordFormat } from "./format.ts";
import {
  encodePosition,
  floorText,
  type LaneRecord,
  laneText,
  type PositionRecord,
  type QueueRecord,
  type ShardRecord,
  type TopicBases,
} from "./position-records.ts";
import { type Checkpoint, takeCheckpoint, verifyCheckpoint } from "./release.ts";
import { type Entry, leaderEpochsNow, type Scan, scanShard } from "./scan.ts";
import { troubleFault } from "./trouble.ts";

export interface ShardOptions {
  readonly cluster: KafkaCluster;
  readonly env: Env;
  readonly log: Logger;
  readonly format: RecordFormat;
  readonly namespace: string;
  readonly shard: number;
  readonly positionsTopic: string;
  /** After this long what a broker has acknowledged is on its disk, whatever happens to its machine. */
  readonly settleMs: number;
  /** Names this process in the shard's records. */
  readonly owner: string;
  /** What a partition without any record is to begin with; undefined where there must be one. */
  readonly queue: (found: QueueRecord | undefined) => QueueRecord | undefined;
  /** Something was released, or a new generation began. */
  readonly onProgress: () => void;
}

export interface ShardProgress {
  readonly generation: number;
  /** The latest transaction, and the latest one that is released. */
  readonly t: number;
  readonly releasedT: number;
}

export interface Shard {
  /** Starts the shard, unless it runs. @throws Fault */
  start(): Promise<void>;
  progress(): ShardProgress;
  positions(): Iterable<LanePosition>;
  forwarded(lane: Lane): Ranges;
  floors(): Iterable<Floor>;
  /** @param generation the one in which the caller looked at the positions */
  commit(outcomes: readonly Outcome[], positions: readonly LanePosition[], generation: number): Promise<void>;
  forget(floor: Floor, lanes: readonly Lane[]): Promise<void>;
  close(): Promise<void>;
}

/** A base is renewed at least this often, so that retention does not pass the one of an idle shard. */
const idleBaseMs = 3_600_000;
/** Transactions that wait for their release; beyond it commits wait too (I8). */
const entriesMax = 100_000;

/** What a running shard knows. */
interface Running {
  readonly topics: ReadonlyMap<string, TopicInfo>;
  record: ShardRecord;
  readonly lanes: Map<string, LaneRecord>;
  readonly floors: Map<string, Floor>;
  entries: Entry[];
  /** Where the records of the positions that are not verified yet begin. */
  positionsFrom: number;
  checkpoint: Checkpoint | undefined;
  /** When the shard's bases were last written. */
  basedMs: number;
  /** True where the cluster has older bases than memory. */
  isBaseNew: boolean;
}

export function openShard(options: ShardOptions): Shard {
  const { cluster, env, log, format, namespace, shard, settleMs } = options;
  const positions: Place = { topic: options.positionsTopic, partition: shard };
  const transactionalId = `${namespace}-${shard}`;
  const place = { cluster, format, namespace, shard, positions };
  const turns = takeTurns();
  let producer = cluster.producer(transactionalId);
  let running: Running | undefined;
  let known: Pick<Running, "lanes" | "floors"> = { lanes: new Map(), floors: new Map() };
  let progress: ShardProgress = { generation: -1, t: 0, releasedT: 0 };
  let fenced: Fault | undefined;
  let lastT = 0;
  let failures = 0;
  let restUntilMs = Number.NEGATIVE_INFINITY;
  let why: unknown;
  let closing = false;
  let wake: () => void = () => {};

  async function pause(delayMs: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    wake = woken.resolve;
    const timer = env.after(delayMs, woken.resolve);
    await woken.promise;
    timer.cancel();
    refuseClosed();
  }

  function refuseClosed(): void {
    if (closing) throw new Fault("closed", { what: "the queue is closed", retryable: true });
  }

  /** The fixed order of a start; nothing is sent before the last step. */
  async function begin(): Promise<Running> {
    const state = await cluster.transactionState(transactionalId);
    await producer.init();
    const scan = await settledScan(state === "open" || state === "aborted");
    const { folded, derived } = scan;
    for (const { topic, partition } of scan.passed) {
      log.error(
        { topic, partition, alarm: true },
        "retention has passed the base: what is gone there cannot be verified",
      );
    }
    if (scan.doubled > 0) log.error({ seqs: scan.doubled, alarm: true }, "seqs stand in the topics more than once");
    const queue = options.queue(folded.queue);
    const begun: Running = {
      topics: scan.topics,
      record: { ...folded.shard, t: scan.t, bases: basesOf(folded.shard, scan.topics) },
      lanes: derived.lanes,
      floors: folded.floors,
      entries: [...scan.entries],
      // What an earlier process wrote was verified by nobody yet.
      positionsFrom: 0,
      checkpoint: undefined,
      basedMs: env.monoMs(),
      isBaseNew: false,
    };
    // Written at once: from here on everybody can see whose the shard is.
    const changed = [...derived.dirty].map((key) => derived.lanes.get(key) as LaneRecord);
    await transact(begun, [], changed, queue === undefined ? [] : [{ kind: "queue", queue }]);
    return begun;
  }

  /**
   * Scans, and waits where an abort marker may be young: one that is lost lets the next commit bring the aborted records
   * back (seen on a broker of 4.3.1). A leader that changes meanwhile may have lost it, so all begins again.
   */
  async function settledScan(isYoung: boolean): Promise<Scan> {
    const scanning = { ...place, pause, nowMs: env.monoMs };
    for (let mustWait = isYoung; ; ) {
      const scan = await scanShard(scanning, producer);
      mustWait ||= scan.aborted;
      if (!mustWait) return scan;
      await pause(settleMs);
      if ((await leaderEpochsNow(scanning, scan)) === scan.leaderEpochs) return scan;
    }
  }

  /** One transaction. After it `state` holds what was written. */
  async function transact(
    state: Running,
    outcomes: readonly Outcome[],
    changed: readonly LaneRecord[],
    others: readonly PositionRecord[],
  ): Promise<void> {
    const t = state.record.t + 1;
    const record: ShardRecord = { ...state.record, owner: options.owner, t };
    const written = changed.map((entry): LaneRecord => ({ ...entry, t }));
    const lanes = written.map((entry): PositionRecord => ({ kind: "lane", entry }));
    function* records(): Generator<KafkaRecord> {
      yield* format.records(outcomes, t);
      for (const one of [...others, ...lanes, { kind: "shard", shard: record } as const]) {
        yield { ...positions, ...encodePosition(one), timestampMs: null, headers: [] };
      }
    }
    const ends = await producer.send(records());
    crashPoint("kafka records sent");
    await settleCommit();
    crashPoint("kafka transaction committed");
    state.record = record;
    state.isBaseNew = false;
    for (const entry of written) state.lanes.set(laneText(entry.lane), entry);
    for (const { topic, partition, offset } of ends) {
      if (topic !== positions.topic) state.entries.push({ topic, partition, offset, t });
    }
    progress = { ...progress, t };
    lastT = t;
  }

  /** A commit whose answer was lost is asked for again: it has landed, or lands now, or something else says why not. */
  async function settleCommit(): Promise<void> {
    for (;;) {
      try {
        return await producer.commit();
      } catch (error) {
        if (!(error instanceof ClusterError) || error.trouble !== "retry") throw error;
        log.warn({ err: error, shard }, "a commit was not answered; asking again");
        await pause(1_000);
      }
    }
  }

  async function ready(): Promise<Running> {
    refuseClosed();
    if (fenced !== undefined) throw fenced;
    if (running !== undefined) return running;
    // Two gateways that take one shard from each other must not do so all day, and a dead cluster is not asked all day.
    if (env.monoMs() < restUntilMs) throw troubleFault(why, positions.topic);
    await refuseWhenTaken();
    running = await begin();
    known = running;
    failures = 0;
    const { t, baseT } = running.record;
    progress = { generation: progress.generation + 1, t, releasedT: baseT };
    options.onProgress();
    return running;
  }

  /** Whoever else has written the shard's record since owns the shard: to fence that one back would never end. */
  async function refuseWhenTaken(): Promise<void> {
    if (lastT === 0) return;
    const { stable, low } = await cluster.watermarks(positions);
    let taken: string | undefined;
    await cluster.read(positions, low, stable, ({ key, value }) => {
      if (key === null || value === null || Buffer.from(key).toString() !== '["shard"]') return;
      const { owner, t } = JSON.parse(Buffer.from(value).toString()) as ShardRecord;
      taken = owner !== options.owner && t > lastT ? owner : undefined;
    });
    if (taken === undefined) return;
    fenced = new Fault("closed", {
      what: `shard ${shard} of the queue is forwarded by another gateway`,
      why: `${taken} has taken it over`,
      remedy: "run one gateway for each shard; restart this one when the other has stopped",
    });
    throw fenced;
  }

  /** Runs a step in its turn; after one that failed the shard starts again. */
  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    return turns.take(async () => {
      try {
        return await step();
      } catch (error) {
        if (error instanceof ClusterError) await letGo(error);
        throw troubleFault(error, positions.topic);
      }
    });
  }

  async function letGo(error: ClusterError): Promise<void> {
    if (running === undefined) restUntilMs = env.monoMs() + backoffMs(failures++, env.random());
    why = error;
    running = undefined;
    if (error.trouble === "abort" || error.trouble === "too-large") await producer.abort().catch(() => undefined);
    await producer.close().catch(() => undefined);
    producer = cluster.producer(transactionalId);
  }

  /** Looks at the base now and then: takes a checkpoint, verifies one that is old enough, starts again after a loss. */
  async function keepHouse(): Promise<void> {
    if (running === undefined) return void (await inTurn(ready));
    const { checkpoint } = running;
    const isOld = env.monoMs() - running.basedMs > idleBaseMs;
    if (checkpoint === undefined) {
      if (running.entries.length > 0 || progress.releasedT < progress.t || isOld) await inTurn(note);
    } else if (env.monoMs() >= checkpoint.takenMs + settleMs) await judge(running, checkpoint);
  }

  async function note(): Promise<void> {
    const state = await ready();
    const { t, bases } = state.record;
    const ends = ({ topic, partition }: Place): number => bases[topic]?.newest[partition] ?? 0;
    const { positionsFrom, lanes } = state;
    const at = { takenMs: env.monoMs(), t, positionsFrom, lanes };
    state.checkpoint = await takeCheckpoint(place, state.topics, ends, at);
  }

  async function judge(state: Running, checkpoint: Checkpoint): Promise<void> {
    const verdict = await verifyCheckpoint(place, checkpoint, state.entries, state.record.baseT);
    await inTurn(async () => {
      if (running !== state) return;
      state.checkpoint = undefined;
      if (verdict === "lost") {
        log.error(
          { shard, alarm: true },
          "the cluster has lost records that it had acknowledged; they are written again",
        );
        throw new ClusterError("restart", "records are gone");
      }
      if (verdict === "stands") await release(state, checkpoint);
    });
  }

  async function release(state: Running, checkpoint: Checkpoint): Promise<void> {
    const bases: Record<string, TopicBases> = {};
    for (const { topic, topicId, partition, end } of checkpoint.anchors) {
      const before = state.record.bases[topic]?.newest ?? [];
      const found = (bases[topic] ??= { topicId, newest: [], previous: before });
      (found.newest as number[])[partition] = end;
    }
    state.record = { ...state.record, baseT: checkpoint.t, bases };
    state.entries = state.entries.filter(({ t }) => t > checkpoint.t);
    state.positionsFrom = checkpoint.positions.end;
    state.basedMs = env.monoMs();
    for (const [key, entry] of state.lanes) {
      const base = checkpoint.lanes.get(key)?.ranges ?? [];
      if (entry.base !== base) state.lanes.set(key, { ...entry, base });
    }
    // The records of what was just released wait for company; an idle shard's base is written alone.
    const isIdle = progress.t === checkpoint.t;
    progress = { ...progress, releasedT: checkpoint.t };
    if (isIdle) await heartbeat(state);
    else state.isBaseNew = true;
    options.onProgress();
  }

  /** A transaction of the shard's record alone; it needs no release of its own. */
  async function heartbeat(state: Running): Promise<void> {
    await transact(state, [], [], []);
    progress = { ...progress, releasedT: progress.t };
  }

  let timer = env.after(tickMs(), tick);
  function tickMs(): number {
    return Math.max(20, Math.min(1_000, settleMs / 4));
  }
  function tick(): void {
    keepHouse()
      .catch((error: unknown) => log.warn({ err: error, shard }, `the queue rests: ${messageOf(error)}`))
      .finally(() => {
        if (!closing) timer = env.after(tickMs(), tick);
      });
  }

  return {
    start: () => inTurn(async () => void (await ready())),
    progress: () => progress,
    *positions() {
      for (const { lane, storeId, run, ranges, forgotten } of known.lanes.values()) {
        if (!forgotten) yield { lane, storeId, run, forwarded: ranges };
      }
    },
    forwarded: (lane) => known.lanes.get(laneText(lane))?.ranges ?? [],
    floors: () => known.floors.values(),
    commit: (outcomes, moved, generation) =>
      inTurn(async () => {
        const state = await ready();
        if (generation !== progress.generation) throw stale();
        if (state.entries.length > entriesMax) throw unreleased();
        const changed = moved.map(({ lane, storeId, run, forwarded }): LaneRecord => {
          const base = state.lanes.get(laneText(lane))?.base ?? [];
          return { lane, storeId, run, t: 0, ranges: forwarded, base, forgotten: false };
        });
        await transact(state, outcomes, changed, []);
      }),
    forget: (floor, lanes) =>
      inTurn(async () => {
        const state = await ready();
        const key = floorText(floor);
        const raised = { ...floor, run: Math.max(floor.run, state.floors.get(key)?.run ?? 0) };
        const gone = lanes.flatMap((lane) => {
          const entry = state.lanes.get(laneText(lane));
          return entry === undefined ? [] : { ...entry, ranges: [], base: [], forgotten: true };
        });
        await transact(state, [], gone, [{ kind: "floor", floor: raised }]);
        state.floors.set(key, raised);
      }),
    async close() {
      closing = true;
      timer.cancel();
      wake();
      await turns.take(() => producer.close().catch(() => undefined));
    },
  };
}

/** The bases of the topics that are there; of a topic that was not known a scan begins at its first offset. */
function basesOf(record: ShardRecord, topics: ReadonlyMap<string, TopicInfo>): Record<string, TopicBases> {
  const bases: Record<string, TopicBases> = {};
  for (const [topic, { id, partitions }] of topics) {
    const known = record.bases[topic];
    const zeros = Array.from({ length: partitions }, () => 0);
    bases[topic] = known?.topicId === id ? known : { topicId: id, newest: zeros, previous: zeros };
  }
  return bases;
}

function stale(): Fault {
  return new Fault("unavailable", { what: "the queue began anew", why: "its positions changed", retryable: true });
}

function unreleased(): Fault {
  return new Fault("unavailable", {
    what: "the queue waits for the release of what it has",
    why: "the leaders of its partitions keep changing",
    retryable: true,
  });
}
