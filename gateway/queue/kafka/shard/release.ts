/**
 * When a shard's transactions can no longer be taken back (docs/design-kafka.md). A checkpoint notes where everything
 * stands; after the settle time, with the same leaders, it must all stand there still.
 */
import { crc32 } from "node:zlib";
import { ClusterError, type KafkaCluster, type Place, type StoredRecord, type TopicInfo } from "../cluster.ts";
import type { Reached } from "../mirror/shard-mirror.ts";
import {
  decodePosition,
  floorText,
  type LaneRecord,
  laneText,
  queueText,
  type ReplayRecord,
  replayText,
} from "../records/position-records.ts";
import type { Entry } from "./scan.ts";
import type { Site, Term } from "./term.ts";

export interface Anchor extends Place {
  readonly topicId: string;
  readonly leaderEpoch: number;
  /** The offset behind the last visible record: where a scan begins once this is the base. */
  readonly end: number;
  /** That record; null where none was visible since the base. */
  readonly last: { readonly offset: number; readonly print: number } | null;
}

export interface Checkpoint {
  readonly takenMs: number;
  /** The latest transaction at that time. */
  readonly t: number;
  readonly anchors: readonly Anchor[];
  readonly positions: { readonly from: number; readonly end: number; readonly leaderEpoch: number };
  readonly lanes: ReadonlyMap<string, LaneRecord>;
  /** Those that are not released. */
  readonly replays: readonly ReplayRecord[];
  /** The keys of the floors. */
  readonly floors: readonly string[];
  /** How often the queue had been moved to another cluster. */
  readonly moves: number;
  /** Where what is written from here on will stand on the standby, or before; absent where no mirror keeps one. */
  readonly reached?: Reached | undefined;
}

/** What is looked for at an offset cannot be seen yet, because a transaction at or before it has no marker. */
export interface Undecided {
  readonly undecided: Place;
  readonly offset: number;
}

/** `moved`: a partition has a new leader, so the settle time begins again. `lost`: something is gone. */
export type Verdict = "stands" | "moved" | "lost" | Undecided;

/** Reading on is cheaper than many single reads up to about so many records for each. */
const recordsPerEntry = 64;

/**
 * Notes where everything stands; only between two transactions.
 * @returns Undecided where markers of own transactions are still to come, which are written after a commit was answered, or
 * were lost: the next one decides what they did, and must settle first (found by the simulation)
 * @param ends by topic and partition the offset from which on the last visible record is looked for
 */
export async function takeCheckpoint(
  { cluster, positions }: Site,
  topics: ReadonlyMap<string, TopicInfo>,
  ends: (place: Place) => number,
  state: Pick<Checkpoint, "takenMs" | "t" | "lanes" | "replays" | "floors" | "moves" | "reached"> &
    Pick<Term, "positionsFrom" | "entries">,
): Promise<Checkpoint | Undecided> {
  const { takenMs, t, positionsFrom, entries, lanes, replays, floors, moves, reached } = state;
  const own = await cluster.watermarks(positions);
  // Somebody has deleted what no later record says again; a start refuses it, and says what to do.
  if (own.low > 0) throw new ClusterError("restart", "the positions have lost their beginning", positions);
  if (own.stable < own.high) return { undecided: positions, offset: own.high - 1 };
  const latest = new Map<string, number>();
  for (const { topic, partition, offset } of entries) {
    const key = `${topic}/${partition}`;
    latest.set(key, Math.max(offset, latest.get(key) ?? -1));
  }
  const anchors: Anchor[] = [];
  for (const [topic, { id, partitions }] of topics) {
    for (let partition = 0; partition < partitions; partition++) {
      const place = { topic, partition };
      const { stable, low, leaderEpoch } = await cluster.watermarks(place);
      const newest = latest.get(`${topic}/${partition}`) ?? -1;
      if (newest >= stable) return { undecided: place, offset: newest };
      const from = Math.max(ends(place), low);
      const last = await lastVisible(cluster, place, from, stable);
      const end = last === null ? from : last.offset + 1;
      anchors.push({ ...place, topicId: id, leaderEpoch, end, last });
    }
  }
  return {
    takenMs,
    t,
    anchors,
    positions: { from: positionsFrom, end: own.stable, leaderEpoch: own.leaderEpoch },
    lanes: new Map(lanes),
    replays,
    floors,
    moves,
    reached,
  };
}

/** The last committed record below `stable`; control records take offsets, so the way back may be longer than one. */
async function lastVisible(cluster: KafkaCluster, place: Place, from: number, stable: number): Promise<Anchor["last"]> {
  let last: Anchor["last"] = null;
  for (let back = 16; last === null && from < stable; back *= 16) {
    const start = Math.max(from, stable - back);
    await cluster.read(place, start, stable, (record) => {
      last = { offset: record.offset, print: printOf(record) };
    });
    if (start === from) break;
  }
  return last;
}

/**
 * Looks whether everything of a checkpoint stands where it stood.
 * @param entries of all transactions that are not released; those behind the checkpoint are not looked at
 * @param settledT the latest transaction that is known to stand for good
 */
export async function verifyCheckpoint(
  site: Site,
  checkpoint: Checkpoint,
  entries: readonly Entry[],
  settledT: number,
): Promise<Verdict> {
  const topics = await site.cluster.topics();
  for (const anchor of checkpoint.anchors) {
    if (topics.get(anchor.topic)?.id !== anchor.topicId) return "lost";
    const own = entries.filter(({ topic, partition, t }) => {
      return topic === anchor.topic && partition === anchor.partition && t <= checkpoint.t;
    });
    const verdict = await stands(site, anchor, own);
    if (verdict !== "stands") return verdict;
  }
  if (!(await positionsStand(site, checkpoint, settledT))) return "lost";
  // Last, so that whatever was read was read from the leader of the checkpoint.
  const own = await site.cluster.watermarks(site.positions);
  if (own.leaderEpoch !== checkpoint.positions.leaderEpoch) return "moved";
  for (const anchor of checkpoint.anchors) {
    if ((await site.cluster.watermarks(anchor)).leaderEpoch !== anchor.leaderEpoch) return "moved";
  }
  return "stands";
}

async function stands(site: Site, anchor: Anchor, entries: readonly Entry[]): Promise<Verdict> {
  const { low, stable, high } = await site.cluster.watermarks(anchor);
  // Where the end was lost and written anew, one offset has several claims; only one of them can hold.
  const wanted = new Map<number, ((record: StoredRecord) => boolean)[]>();
  const want = (offset: number, holds: (record: StoredRecord) => boolean): void =>
    void wanted.set(offset, [...(wanted.get(offset) ?? []), holds]);
  for (const { offset, t } of entries) want(offset, (record) => isOwn(site, record, t));
  const { last: latest } = anchor;
  if (latest !== null) want(latest.offset, (record) => printOf(record) === latest.print);
  // What retention has taken since cannot be looked at any more; it was there when it was written.
  const offsets = [...wanted.keys()].filter((offset) => offset >= low).sort((a, b) => a - b);
  const [first, last] = [offsets[0], offsets.at(-1)];
  if (first === undefined || last === undefined) return "stands";
  if (last >= high) return "lost";
  if (last >= stable) return { undecided: anchor, offset: last };
  const holds = new Set<number>();
  const look = (record: StoredRecord): void => {
    if (wanted.get(record.offset)?.every((hold) => hold(record)) === true) holds.add(record.offset);
  };
  if (last - first <= recordsPerEntry * offsets.length) await site.cluster.read(anchor, first, last + 1, look);
  else for (const offset of offsets) await site.cluster.read(anchor, offset, offset + 1, look);
  return holds.size === offsets.length ? "stands" : "lost";
}

/** Whether this shard wrote the record, in its transaction `t`. */
export function isOwn({ format, namespace, shard }: Site, record: StoredRecord, t: number): boolean {
  const name = format.nameOf(record.headers);
  if (name === undefined || name === "foreign") return false;
  return name.t === t && name.shard === shard && name.namespace === namespace;
}

/**
 * The newest record of each lane and replay that was written since the base must be there. A term's first look begins at
 * the first offset, and must meet what is written once as well: the queue's own record, which a power cut had taken while
 * all that came after it stood (found by the simulation), and the floors.
 */
async function positionsStand(site: Site, checkpoint: Checkpoint, settledT: number): Promise<boolean> {
  const newest = new Map<string, number>();
  const once = new Set<string>();
  const { from, end } = checkpoint.positions;
  // Before the queue was moved, older records may follow younger ones: a mirror repeats itself.
  let moves = from === 0 ? 0 : checkpoint.moves;
  let isCopied = false;
  const { low, stable } = await site.cluster.watermarks(site.positions);
  // It was decided up to there when the checkpoint was taken.
  if (low > 0 || stable < end) return false;
  await site.cluster.read(site.positions, from, end, (record) => {
    const position = decodePosition(record);
    if (position.kind === "lane") newest.set(laneText(position.entry.lane), position.entry.t);
    if (position.kind === "queue") once.add(queueText);
    if (position.kind === "shard") {
      isCopied ||= position.shard.moves < moves;
      moves = Math.max(moves, position.shard.moves);
    }
    if (position.kind === "floor") once.add(floorText(position.floor));
    if (position.kind === "replay") newest.set(replayText(position.replay.id), position.replay.t);
  });
  // The next start says what copies into this cluster, and refuses.
  if (isCopied) return false;
  const wanted = [...checkpoint.floors, ...(site.shard === 0 ? [queueText] : [])];
  if (from === 0 && wanted.some((key) => !once.has(key))) return false;
  if (checkpoint.replays.some(({ id, t }) => t > settledT && (newest.get(replayText(id)) ?? 0) < t)) return false;
  return [...checkpoint.lanes].every(([key, { t }]) => t <= settledT || (newest.get(key) ?? 0) >= t);
}

function printOf({ timestampMs, key, value, headers }: StoredRecord): number {
  let print = crc32(`${timestampMs}`);
  for (const part of [key, value]) print = part === null ? crc32("null", print) : crc32(part, print);
  for (const [name, content] of headers) print = crc32(content, crc32(name, print));
  return print;
}
