/**
 * A standby cluster that MirrorMaker 2 keeps (docs/design-kafka.md). MirrorMaker copies each partition by itself, so
 * what it has copied of a transaction says nothing of the rest of it; hence every name is read there, and the journal
 * lets go of nothing that was not (I5). What the standby's own brokers could still lose is not read yet: a record counts
 * once it was there for the settle time, under one leader.
 */
import type { Logger } from "pino";
import { backoffMs } from "../../../../shared/backoff.ts";
import type { Env, Timer } from "../../../../shared/env.ts";
import { Fault, messageOf } from "../../../../shared/errors.ts";
import { ClusterError, type KafkaCluster, type Place, type StoredRecord, type TopicInfo } from "../cluster.ts";
import type { RecordFormat } from "../records/format.ts";
import { decodePosition } from "../records/position-records.ts";
import { openShardMirror, type Reached, type ShardMirror } from "./shard-mirror.ts";

export interface MirrorOptions {
  /** The standby. */
  readonly cluster: KafkaCluster;
  readonly env: Env;
  readonly log: Logger;
  readonly format: Pick<RecordFormat, "nameOf" | "isOwn">;
  readonly namespace: string;
  readonly positionsTopic: string;
  readonly shards: number;
  /** The cluster that is copied. */
  readonly primaryId: string;
  /** After this long what a broker of the standby has acknowledged is on its disk. */
  readonly settleMs: number;
}

export interface Mirror {
  shard(at: number): ShardMirror;
  /** Why nothing is released for longer than usual; null where that is not so. */
  trouble(): string | null;
  /** A read that is under way ends with the cluster's client. */
  close(): void;
}

/** Where a partition of the standby was. */
interface Mark extends Place {
  readonly topicId: string;
  readonly low: number;
  readonly end: number;
  readonly leaderEpoch: number;
}

/** How often marks are taken, as a part of the settle time. */
const roundPart = 1 / 4;
const roundMsMin = 20;

/** Begins to watch the standby, and goes on until it is closed; a standby that is away is waited for. */
export function openMirror(options: MirrorOptions): Mirror {
  const { cluster, env, log, format, namespace, positionsTopic, primaryId, settleMs } = options;
  const shards = Array.from({ length: options.shards }, (_, shard) =>
    openShardMirror({ env, log, shard, settleMs, reached }),
  );
  /** How far each topic was read. */
  const read = new Map<string, { readonly topicId: string; readonly next: number[] }>();
  /** Those that are not old enough yet. */
  let marks: { readonly atMs: number; readonly places: readonly Mark[] }[] = [];
  let isOther = false;
  /** Why the standby cannot be read. */
  let unread: string | null = null;
  let closed = false;
  let waking: { readonly timer: Timer; readonly resolve: () => void } | undefined;

  function reached(): Reached {
    return Object.fromEntries([...read].map(([topic, { topicId, next }]) => [topic, { topicId, next: [...next] }]));
  }

  async function watch(): Promise<void> {
    const roundMs = Math.max(roundMsMin, settleMs * roundPart);
    for (let failures = 0; !closed; ) {
      try {
        await round();
        if (unread !== null) log.info("the standby answers again");
        failures = 0;
        unread = null;
        await pause(roundMs);
      } catch (error) {
        if (closed) return;
        if (unread === null) {
          const alarm = !(error instanceof ClusterError && error.trouble === "away");
          unread = `the standby cannot be read, and the journal waits: ${messageOf(error)}`;
          log.error({ err: error, alarm }, unread);
        }
        await pause(roundMs + backoffMs(failures++, env.random()));
      }
    }
  }

  async function pause(delayMs: number): Promise<void> {
    if (closed) return;
    await new Promise<void>((resolve) => {
      waking = { timer: env.after(delayMs, resolve), resolve };
    });
  }

  /** Notes where all partitions are, and reads up to where they were when what is old enough now was noted. */
  async function round(): Promise<void> {
    isOther ||= (await cluster.clusterId()) !== primaryId;
    if (!isOther) {
      throw new Fault("config", {
        what: "the standby is the cluster of the queue itself",
        remedy: "name the brokers of another cluster in queue.kafka.standby, or none",
      });
    }
    const found = [...(await cluster.topics())].filter(([name]) => name === positionsTopic || format.isOwn(name));
    const places = await marksOf(found);
    const nowMs = env.monoMs();
    marks.push({ atMs: nowMs, places });
    if (!shards.every((shard) => shard.from() !== undefined)) return;
    const ripe = marks.findLast(({ atMs }) => atMs + settleMs <= nowMs);
    if (ripe === undefined) return;
    marks = marks.filter(({ atMs }) => atMs > ripe.atMs);
    for (const [topic, info] of found) begin(topic, info);
    const now = new Map(places.map((mark) => [`${mark.topic}/${mark.partition}`, mark]));
    for (const mark of ripe.places) {
      const { topicId, leaderEpoch, low } = now.get(`${mark.topic}/${mark.partition}`) ?? {};
      // Another leader may lack the end; a later mark says what stands with that one.
      if (low !== undefined && topicId === mark.topicId && leaderEpoch === mark.leaderEpoch) await readUpTo(mark, low);
    }
  }

  async function marksOf(found: readonly (readonly [string, TopicInfo])[]): Promise<Mark[]> {
    const places: Mark[] = [];
    for (const [topic, { id: topicId, partitions }] of found) {
      for (let partition = 0; partition < partitions; partition++) {
        const { low, stable, leaderEpoch } = await cluster.watermarks({ topic, partition });
        places.push({ topic, partition, topicId, low, end: stable, leaderEpoch });
      }
    }
    return places;
  }

  /** Where the reading of a topic begins: where no shard has anything unreleased before. */
  function begin(topic: string, { id, partitions }: TopicInfo): void {
    const known = read.get(topic);
    if (known?.topicId === id && known.next.length === partitions) return;
    if (known !== undefined && known.topicId !== id) {
      log.error({ topic, alarm: true }, "the standby's topic was made anew: all of the standby is read again");
      for (const shard of shards) shard.clear();
      read.clear();
    }
    const starts = shards.map((shard) => shard.from()?.[topic]);
    const next = Array.from({ length: partitions }, (_, partition) =>
      Math.min(...starts.map((bases) => (bases?.topicId === id ? (bases.newest[partition] ?? 0) : 0))),
    );
    read.set(topic, { topicId: id, next: known?.topicId === id ? next.map((at, i) => known.next[i] ?? at) : next });
  }

  async function readUpTo({ topic, partition, end }: Mark, low: number): Promise<void> {
    const next = read.get(topic)?.next;
    const from = next?.[partition] ?? 0;
    if (next === undefined || from >= end) return;
    if (low > from && from > 0) {
      log.error({ topic, partition, alarm: true }, "retention on the standby has passed what was not read there yet");
    }
    const note = topic === positionsTopic ? takePosition : take;
    await cluster.read({ topic, partition }, Math.max(from, low), end, (record) => {
      note(record);
      // At once: a read that fails on its way must not count again what it had read.
      next[partition] = record.offset + 1;
    });
    next[partition] = end;
  }

  function takePosition(record: StoredRecord): void {
    const position = decodePosition(record);
    if (position.kind === "shard") shards[record.partition]?.notePositions(position.shard.t);
  }

  function take(record: StoredRecord): void {
    const name = format.nameOf(record.headers);
    // What cannot be read is missed, and the journal keeps it.
    if (name === undefined || name === "foreign" || name.namespace !== namespace) return;
    shards[name.shard]?.note(record, name);
  }

  void watch();
  return {
    shard: (at) => shards[at] as ShardMirror,
    trouble: () => unread ?? shards.map((shard) => shard.trouble()).find((found) => found !== null) ?? null,
    close() {
      closed = true;
      waking?.timer.cancel();
      waking?.resolve();
    },
  };
}
