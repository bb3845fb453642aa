/**
 * A term of a shard: from the moment its producer has fenced the former owner to the first doubt. It begins with the
 * fixed order of a start, and then writes one transaction at a time (I5).
 */
import type { Logger } from "pino";
import { crashPoint } from "../../../../shared/crash-point.ts";
import type { Env } from "../../../../shared/env.ts";
import { union } from "../../../../shared/ranges.ts";
import type { Floor, LanePosition, Outcome } from "../../queue.ts";
import type { KafkaCluster, KafkaRecord, Place, TopicInfo, TransactionalProducer } from "../cluster.ts";
import { movedTo } from "../mirror/moves.ts";
import type { ShardMirror } from "../mirror/shard-mirror.ts";
import type { RecordFormat } from "../records/format.ts";
import {
  basesOn,
  encodePosition,
  type LaneRecord,
  laneText,
  type PositionRecord,
  type QueueRecord,
  type ReplayRecord,
  type ShardRecord,
  type TopicBases,
} from "../records/position-records.ts";
import type { Derived } from "./derive.ts";
import { insistently } from "./insistently.ts";
import { proveEntries, refuseBehindLoss } from "./lost-tail.ts";
import { type Entry, epochsNow, type Scan, scanShard } from "./scan.ts";
import { vanishedText } from "./vanished.ts";

/** Where a shard works, and with what. */
export interface Site {
  readonly cluster: KafkaCluster;
  readonly env: Env;
  readonly log: Logger;
  readonly format: RecordFormat;
  readonly namespace: string;
  readonly shard: number;
  readonly clusterId: string;
  /** Absent where no mirror keeps a standby. */
  readonly mirror?: ShardMirror | undefined;
  /** The shard's own partition of the positions topic. */
  readonly positions: Place;
  readonly transactionalId: string;
  /** After this long what a broker has acknowledged is on its disk, whatever happens to its machine. */
  readonly settleMs: number;
  /** Names this process in the shard's records. */
  readonly owner: string;
  /** What a partition without any record is to begin with; undefined where nothing is to be added. */
  readonly queue: (found: QueueRecord | undefined) => QueueRecord | undefined | Promise<undefined>;
  /** Throws where another process has written the shard's record since this one did last. */
  checkOwner(newest: ShardRecord): void;
  /** What is known to be forwarded from elsewhere: given where lost positions are rebuilt. */
  readonly released?: readonly LanePosition[] | undefined;
  /** Makes a topic that is not there yet, and returns what it is. */
  makeTopic(name: string): Promise<TopicInfo>;
  /** So many more dead letters were committed. */
  onDeadLetters(count: number): void;
  /** Something that was released is no longer there, and nobody can write it again. */
  onGone(text: string): void;
  /** Waits; throws once the queue is closed. */
  pause(delayMs: number): Promise<void>;
}

export interface Term {
  readonly topics: Map<string, TopicInfo>;
  readonly producer: TransactionalProducer;
  /** As it was written last; a new base is written with the next transaction. */
  record: ShardRecord;
  readonly lanes: Map<string, LaneRecord>;
  readonly floors: Map<string, Floor>;
  /** By the id of the dead letter. */
  readonly replays: Map<string, ReplayRecord>;
  /** Of the transactions that are not released. */
  entries: Entry[];
  /** By `topic/partition` the leader epoch under which the entries there were last known to stand. */
  readonly leaderEpochs: Map<string, number>;
  /** Of these, the latest that may have been lost with a former leader: to be looked for before anything is sent. */
  readonly unproven: Entry[];
  /** Where the records of the positions that nobody has verified yet begin. */
  positionsFrom: number;
  /** When the base was last looked at. */
  basedMs: number;
  /** The latest transaction that is released. */
  releasedT: number;
}

/** The fixed order of a start; nothing is sent before the last step. @throws ClusterError, Fault */
export async function beginTerm(site: Site, producer: TransactionalProducer): Promise<Term> {
  const { cluster, log, transactionalId } = site;
  const state = await cluster.transactionState(transactionalId);
  await producer.init();
  crashPoint("kafka shard taken");
  const scan = await settledScan(site, producer, state === "open" || state === "aborted");
  crashPoint("kafka shard scanned");
  const { folded, derived, topics } = scan;
  // Another gateway may have come between the look at its record and the fencing; it finds its record and begins again.
  site.checkOwner(folded.shard);
  for (const place of scan.passed) {
    log.error({ ...place, alarm: true }, "retention has passed the base: what is gone there cannot be verified");
  }
  if (scan.doubled.seqs > 0) log.error({ ...scan.doubled, alarm: true }, "seqs stand in the topics more than once");
  for (const one of scan.vanished) {
    const text = vanishedText(site.shard, one);
    log.error({ shard: site.shard, ...one, alarm: true }, text);
    site.onGone(text);
  }
  const queue = await site.queue(folded.queue);
  addReleased(derived, site.released ?? []);
  const term: Term = {
    topics: new Map(topics),
    producer,
    record: {
      ...folded.shard,
      ...movedTo(site.clusterId, folded.shard),
      t: scan.t,
      bases: basesOf(folded.shard, topics),
    },
    lanes: derived.lanes,
    floors: folded.floors,
    replays: derived.replays,
    entries: [...scan.entries],
    leaderEpochs: new Map(scan.leaderEpochs),
    unproven: [],
    // What an earlier process wrote was verified by nobody yet.
    positionsFrom: 0,
    basedMs: site.env.monoMs(),
    releasedT: folded.shard.baseT,
  };
  // Written at once: from here on everybody can see whose the shard is.
  await write(site, term, {
    lanes: [...derived.dirty].map((key) => derived.lanes.get(key) as LaneRecord),
    replays: [...derived.dirtyReplays].map((id) => derived.replays.get(id) as ReplayRecord),
    others: queue === undefined ? [] : [{ kind: "queue", queue }],
  });
  site.mirror?.begin(term.record, term.lanes, term.replays.values());
  return term;
}

/** Retention may have taken readings that only the journal remembers; they were released, and stay so. */
function addReleased({ lanes, dirty }: Derived, released: readonly LanePosition[]): void {
  for (const { lane, storeId, run, forwarded } of released) {
    const key = laneText(lane);
    const entry = lanes.get(key) ?? { lane, storeId, run, t: 0, ranges: [], base: [], forgotten: false };
    const [ranges, base] = [union(entry.ranges, forwarded), union(entry.base, forwarded)];
    lanes.set(key, { ...entry, storeId, run, ranges, base });
    dirty.add(key);
  }
}

/**
 * Scans, and waits where an abort marker may be young: one that is lost lets the next commit bring the aborted records
 * back (seen on a broker of 4.3.1). A leader that changes meanwhile may have lost it, so all begins again.
 */
async function settledScan(site: Site, producer: TransactionalProducer, isYoung: boolean): Promise<Scan> {
  for (let mustWait = isYoung; ; ) {
    const scan = await scanShard(site, producer);
    mustWait ||= scan.aborted;
    if (!mustWait) return scan;
    await site.pause(site.settleMs);
    if ((await epochsNow(site, scan)) === scan.epochs) return scan;
  }
}

/** What one transaction writes; lanes and replays get its number. */
export interface Step {
  readonly outcomes?: readonly Outcome[];
  /** The dead letter whose replay the outcomes are. */
  readonly replay?: string;
  readonly lanes?: readonly LaneRecord[];
  readonly replays?: readonly ReplayRecord[];
  readonly others?: readonly PositionRecord[];
}

/** One transaction; after it the term holds what was written. @throws ClusterError: nothing is known of it any more */
export async function write(site: Site, term: Term, step: Step): Promise<void> {
  const { outcomes = [], replay, others = [] } = step;
  await makeTopics(site, term, site.format.topicsOf(outcomes));
  await proveEntries(site, term);
  const t = term.record.t + 1;
  const shard: ShardRecord = { ...term.record, owner: site.owner, t };
  const lanes = step.lanes?.map((entry): LaneRecord => ({ ...entry, t })) ?? [];
  const replays = step.replays?.map((entry): ReplayRecord => ({ ...entry, t })) ?? [];
  const positions: PositionRecord[] = [
    ...others,
    ...lanes.map((entry) => ({ kind: "lane", entry }) as const),
    ...replays.map((one) => ({ kind: "replay", replay: one }) as const),
    { kind: "shard", shard },
  ];
  const partitionsOf = (topic: string): number => (term.topics.get(topic) as TopicInfo).partitions;
  let letters = 0;
  function* records(): Generator<KafkaRecord> {
    const nowMs = site.env.wallUs() / 1000;
    const onDeadLetter = (): void => void letters++;
    yield* site.format.records(outcomes, { shard: site.shard, t, nowMs, replay, partitionsOf, onDeadLetter });
    crashPoint("kafka readings sent");
    for (const one of positions) {
      yield { ...site.positions, ...encodePosition(one), timestampMs: null, headers: [] };
    }
  }
  const ends = await term.producer.send(records());
  crashPoint("kafka records sent");
  const entries = ends.flatMap((end): Entry[] => (end.topic === site.positions.topic ? [] : [{ ...end, t }]));
  await refuseBehindLoss(site, term, entries);
  // A commit whose answer was lost is asked for again: it has landed, or lands now, or something else says why not.
  await insistently(site, "retry", "a commit was not answered", () => term.producer.commit());
  crashPoint("kafka transaction committed");
  term.record = shard;
  site.onDeadLetters(letters);
  for (const entry of lanes) term.lanes.set(laneText(entry.lane), entry);
  for (const entry of replays) term.replays.set(entry.id, entry);
  term.entries.push(...entries);
}

/** Sees to it that topics are there; of one that is new a scan begins at its first offset, whoever makes that scan. */
async function makeTopics(site: Site, term: Term, topics: Iterable<string>): Promise<void> {
  for (const topic of topics) {
    if (term.topics.has(topic)) continue;
    term.topics.set(topic, await site.makeTopic(topic));
    term.record = { ...term.record, bases: basesOf(term.record, term.topics) };
  }
}

/** The bases of the topics that are there; of a topic that was not known a scan begins at its first offset. */
function basesOf(record: ShardRecord, topics: ReadonlyMap<string, TopicInfo>): Record<string, TopicBases> {
  const bases: Record<string, TopicBases> = {};
  for (const [topic, { id, partitions }] of topics) {
    const zeros = Array.from({ length: partitions }, () => 0);
    bases[topic] = basesOn(record, topic, id) ?? { topicId: id, newest: zeros, previous: zeros };
  }
  return bases;
}
