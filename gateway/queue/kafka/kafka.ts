/**
 * The Kafka queue: the queue contract over one or more shards of a cluster. A lane belongs to the shard of its agent, so
 * each lane's records, position and order are one shard's; a step that concerns several shards is one transaction in
 * each, and whoever tries it again after a failure finds out from the positions which of them landed (I5).
 */
import { crc32 } from "node:zlib";
import type { Logger } from "pino";
import { type Env, hex } from "../../../shared/env.ts";
import { Fault } from "../../../shared/errors.ts";
import type { LanePosition, Outcome, Queue } from "../queue.ts";
import type { KafkaCluster, TopicInfo } from "./cluster.ts";
import { openDeadLetters } from "./dead-letters.ts";
import { identify } from "./identity.ts";
import { openMirror } from "./mirror/mirror.ts";
import { patiently } from "./patience.ts";
import type { RecordFormat } from "./records/format.ts";
import type { QueueRecord, SwitchRecord } from "./records/position-records.ts";
import { closedFault } from "./refusals.ts";
import type { RoomKeeper } from "./room.ts";
import { openShard, type Shard } from "./shard/shard.ts";

export interface KafkaQueueOptions {
  readonly cluster: KafkaCluster;
  readonly env: Env;
  readonly log: Logger;
  readonly format: RecordFormat;
  /** Tells queues on one cluster apart; part of the transactional ids. */
  readonly namespace: string;
  readonly positionsTopic: string;
  readonly deadLetterTopic: string;
  readonly settleMs: number;
  /** Makes a topic that a template names for the first time. */
  readonly makeTopic: (name: string) => Promise<TopicInfo>;
  readonly room: RoomKeeper;
  /** The group that this gateway knows; null where it knows none, and a queue may be made. */
  readonly groupId: string | null;
  /** The cluster that the operator means, where the queue was moved to another one; null where none was confirmed. */
  readonly confirmCluster?: string | null;
  /** Given where an empty positions topic is to hold the queue of a group that is known: on a second cluster. */
  readonly make?: Pick<QueueRecord, "groupId" | "queueId"> | null;
  /**
   * Given where the positions topic was lost and made again: the queue of the known group is made anew in it, from the
   * names in the data and from these positions, which the journal remembers.
   */
  readonly rebuild?: readonly LanePosition[];
  /** What another cluster had, and was released there: from here on this one tells of it. */
  readonly adopt?: readonly LanePosition[];
  /** The standby that MirrorMaker copies this cluster to: nothing is released before it was read there. */
  readonly mirror?: KafkaCluster | undefined;
  /** Stops the opening, which otherwise waits for the cluster as long as it takes. */
  readonly signal?: AbortSignal;
}

export interface KafkaQueue extends Queue {
  readonly clusterId: string;
  /** Writes down a change between two clusters, for people. */
  noteSwitch(change: SwitchRecord): Promise<void>;
  /** Resolves where the cluster answers. @throws ClusterError, Fault `closed` */
  probe(): Promise<void>;
}

/** Sentences that the status gets of what is gone (I8); the log has all. */
const goneMax = 100;
/** A stop must end within 5 s, and other parts stop before the queue. */
const closeGraceMs = 2_000;

/** Pending steps that are kept apart. */
const stepsMax = 4_096;

/** Steps whose release is pending, by the transactions that they ended with. */
interface Step {
  readonly step: number;
  /** By shard. */
  readonly ts: readonly number[];
}

/**
 * Opens the queue, and makes it in an empty positions topic. Waits while the cluster is away.
 * @throws Fault where the positions are damaged, or belong to another queue
 */
export async function openKafkaQueue(options: KafkaQueueOptions): Promise<KafkaQueue> {
  const { cluster, env, log, namespace, positionsTopic } = options;
  const clusterId = await patiently(options, () => cluster.clusterId());
  const shardCount = await patiently(options, async () => {
    const info = (await cluster.topics()).get(positionsTopic);
    if (info !== undefined) return info.partitions;
    throw new Fault("config", {
      what: `the topic ${positionsTopic} is not there`,
      remedy: "create it with one partition for each shard and cleanup.policy=compact",
    });
  });
  const shardOf = (agent: string): number => crc32(agent) % shardCount;
  const owner = hex(env.randomBytes(8));
  const listeners = new Set<() => void>();
  const shards: Shard[] = [];
  let identity: QueueRecord | undefined;
  const identified = Promise.withResolvers<void>();
  identified.promise.catch(() => undefined);
  /** Ends where one shard fails for good: the others must not go on trying. */
  const opening = new AbortController();
  options.signal?.addEventListener("abort", () => opening.abort(), { once: true });
  /** The group that agents may have been told of, and what an empty topic is to hold: nothing once the queue was there. */
  let { groupId: knownGroupId, make = null } = options;
  const mayBeNew = knownGroupId === null || make !== null || options.rebuild !== undefined;
  let letters = 0;
  const gone: string[] = [];
  /** What each shard had when its generation began: steps count from there. */
  let generation = 0;
  let committed = 0;
  let released = 0;
  let steps: Step[] = [];
  let generations: number[] = [];

  const now = (): number[] => shards.map((shard) => shard.progress().t);

  function onProgress(): void {
    const found = shards.map((shard) => shard.progress().generation);
    if (found.some((one, at) => one !== generations[at])) {
      generations = found;
      generation++;
      committed = 0;
      released = -1;
      steps = [{ step: 0, ts: now() }];
    }
    const isReleased = ({ ts }: Step): boolean => ts.every((t, at) => t <= (shards[at] as Shard).progress().releasedT);
    while (steps[0] !== undefined && isReleased(steps[0])) released = (steps.shift() as Step).step;
    for (const listener of listeners) listener();
  }

  /**
   * The group id goes out to every agent, so a new queue counts as made once nothing can take its first record back: a
   * cluster that lost it would look like another one.
   */
  async function untilReleased(): Promise<void> {
    if (released >= 0) return;
    log.info({ settleMs: options.settleMs }, "a new queue is being made: waiting until its first record is settled");
    const waited = Promise.withResolvers<void>();
    const look = (): void => void (released >= 0 && waited.resolve());
    listeners.add(look);
    options.signal?.addEventListener("abort", () => waited.resolve(), { once: true });
    await waited.promise;
    listeners.delete(look);
    if (options.signal?.aborted === true) throw closedFault();
  }

  /** What partition 0 holds says which queue this is; no other shard writes anything before that is known. */
  function queueOf(found: QueueRecord | undefined): QueueRecord | undefined {
    const { confirmCluster = null, rebuild } = options;
    const expected = { clusterId, namespace, shards: shardCount, positionsTopic, confirmCluster };
    const isRebuilt = rebuild !== undefined;
    const known = { groupId: knownGroupId, make, isRebuilt };
    const { identity: is, isNew } = identify(found, { ...expected, ...known }, () => hex(env.randomBytes(16)));
    identity = is;
    identified.resolve();
    return isNew ? is : undefined;
  }

  async function afterIdentification(): Promise<undefined> {
    await identified.promise;
  }

  const watched = { ...options, shards: shardCount, primaryId: clusterId };
  const mirror = options.mirror && openMirror({ ...watched, cluster: options.mirror });
  for (let shard = 0; shard < shardCount; shard++) {
    const queue = shard === 0 ? queueOf : afterIdentification;
    const released = (options.rebuild ?? options.adopt)?.filter(({ lane }) => shardOf(lane.agent) === shard);
    const onDeadLetters = (count: number): void => void (letters += count);
    const own = { shard, owner, queue, released, clusterId, mirror: mirror?.shard(shard) };
    const onGone = (text: string): void => void (gone.length < goneMax && gone.push(text));
    const one = openShard({ ...options, ...own, onDeadLetters, onGone, onProgress });
    shards.push(one);
  }
  try {
    // All at once: what one of them had left undecided when it was killed keeps the others waiting until it begins.
    await Promise.all(shards.map((shard) => patiently({ ...options, signal: opening.signal }, () => shard.start())));
    if (mayBeNew) await untilReleased();
  } catch (error) {
    opening.abort();
    identified.reject(closedFault());
    mirror?.close();
    await Promise.all(shards.map((shard) => shard.close(closeGraceMs)));
    throw error;
  }
  const { queueId, groupId } = identity as unknown as QueueRecord;
  knownGroupId = groupId;
  make = null;
  log.info({ namespace, shards: shardCount, queue: queueId }, "the Kafka queue is open");
  let closed = false;
  let closing: Promise<void> | undefined;

  function refuseClosed(): void {
    if (closed) throw closedFault();
  }

  /** Runs a step on each shard that it concerns; it has landed when all have. */
  async function onShards(concerned: readonly number[], step: (at: number) => Promise<void>): Promise<void> {
    refuseClosed();
    const results = await Promise.allSettled(concerned.map(step));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    steps.push({ step: ++committed, ts: now() });
    // Where a mirror is away for days, releases come in larger parts, and memory stays flat (I8).
    if (steps.length > stepsMax) steps = steps.filter((_, at) => at % 2 === 1 || at === steps.length - 1);
    onProgress();
  }

  function close(): Promise<void> {
    closed = true;
    // Whoever waits for a release must hear of it.
    for (const listener of listeners) listener();
    mirror?.close();
    return (closing ??= Promise.all(shards.map((shard) => shard.close(closeGraceMs))).then(() => undefined));
  }
  // The stop of the process reaches the queue last, and a commit that no broker answers would hold up all before it.
  options.signal?.addEventListener("abort", () => void close(), { once: true });

  // Opening is generation 0, whatever the shards went through until all of them ran.
  onProgress();
  const opened = generation;
  return {
    queueId,
    groupId,
    clusterId,
    async noteSwitch(change) {
      refuseClosed();
      await (shards[0] as Shard).note(change);
    },
    async probe() {
      refuseClosed();
      await cluster.watermarks({ topic: positionsTopic, partition: 0 });
    },
    progress: () => ({ generation: generation - opened, committed, released }),
    onProgress: (listener) => void listeners.add(listener),
    released(lane) {
      refuseClosed();
      return (shards[shardOf(lane.agent)] as Shard).released(lane);
    },
    *releasedPositions() {
      refuseClosed();
      for (const shard of shards) yield* shard.releasedPositions();
    },
    *positions() {
      refuseClosed();
      for (const shard of shards) yield* shard.positions();
    },
    forwarded(lane) {
      refuseClosed();
      return (shards[shardOf(lane.agent)] as Shard).forwarded(lane);
    },
    *floors() {
      refuseClosed();
      for (const shard of shards) yield* shard.floors();
    },
    async commit(outcomes, positions) {
      const parts = new Map<number, { outcomes: Outcome[]; positions: LanePosition[] }>();
      const partOf = (agent: string) => {
        const at = shardOf(agent);
        const part = parts.get(at) ?? { outcomes: [], positions: [] };
        parts.set(at, part);
        return part;
      };
      for (const outcome of outcomes) partOf(outcome.lane.agent).outcomes.push(outcome);
      for (const position of positions) partOf(position.lane.agent).positions.push(position);
      const seen = shards.map((shard) => shard.progress().generation);
      await onShards([...parts.keys()], (at) => {
        const part = parts.get(at) as { outcomes: Outcome[]; positions: LanePosition[] };
        return (shards[at] as Shard).commit(part.outcomes, part.positions, seen[at] as number);
      });
    },
    gone: () => gone,
    holdsBack: () => mirror?.trouble() ?? null,
    deadLetters: openDeadLetters({
      ...options,
      listeners,
      written: () => letters,
      shardOf(agent) {
        refuseClosed();
        return shards[shardOf(agent)] as Shard;
      },
    }),
    forget: (floor, lanes) => onShards([shardOf(floor.agent)], (at) => (shards[at] as Shard).forget(floor, lanes)),
    close,
  };
}
