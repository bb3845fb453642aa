/**
 * The records of a shard's positions partition. Keys and values are JSON, so that the console consumer shows them; a
 * compacted topic keeps the newest value of each key:
 *
 *   ["queue"]                          which queue this is; in partition 0 only
 *   ["shard"]                          the latest transaction of the shard, and its bases
 *   ["lane", agent, stream, epoch]     the forwarded ranges of a lane
 *   ["floor", agent, store id]         the highest forgotten run of a store
 *   ["replay", id]                     which seqs of a dead letter were replayed
 *   ["switch", era]                    why the gateway changed to the other cluster, for people; in partition 0 only
 *
 * Anything else is foreign, and nothing is guessed from a partition that somebody else writes to.
 */
import { Fault, messageOf } from "../../../../shared/errors.ts";
import { type Ranges, rangesFault } from "../../../../shared/ranges.ts";
import type { Floor, Lane } from "../../queue.ts";
import type { StoredRecord } from "../cluster.ts";

export interface QueueRecord {
  readonly queueId: string;
  readonly groupId: string;
  /** Where it was made, or where an operator has confirmed that it was moved to. */
  readonly clusterId: string;
  readonly namespace: string;
  /** Fixed for ever: with another count lanes would be looked for in other partitions. */
  readonly shards: number;
}

/** Offsets of the partitions of one topic from which on a scan finds what the positions may have lost. */
export interface TopicBases {
  /** Which topic of that name it was: offsets of another one say nothing. */
  readonly topicId: string;
  /** By partition: at the newest base, and at the one before. */
  readonly newest: readonly number[];
  readonly previous: readonly number[];
}

export interface ShardRecord {
  /** The process that wrote it, for people who look. */
  readonly owner: string;
  /** Number of the transaction: grows by one. */
  readonly t: number;
  /** Transactions up to this one are released. */
  readonly baseT: number;
  /** By topic: data, losses and dead letters alike. */
  readonly bases: Readonly<Record<string, TopicBases>>;
  /** The same on the standby that a mirror keeps, as far as it was read; empty where there is none. */
  readonly mirror: Readonly<Record<string, TopicBases>>;
  /** The cluster it was written to, and how often the queue had been moved to another one by then. */
  readonly clusterId: string;
  readonly moves: number;
}

/** The bases of a topic: those of its copy, where the queue was moved to its standby. */
export function basesOn({ bases, mirror }: ShardRecord, topic: string, topicId: string): TopicBases | undefined {
  return [bases[topic], mirror[topic]].find((known) => known?.topicId === topicId);
}

export interface LaneRecord {
  readonly lane: Lane;
  readonly storeId: string;
  readonly run: number;
  /** The transaction that wrote it. */
  readonly t: number;
  readonly ranges: Ranges;
  /** The released part of the ranges. */
  readonly base: Ranges;
  /** True where a floor has taken the lane's place: it is deleted once no scan can meet its readings again. */
  readonly forgotten: boolean;
}

export interface ReplayRecord {
  /** The dead letter's. */
  readonly id: string;
  /** The transaction that wrote it. */
  readonly t: number;
  /** When it was replayed, ms since 1970; null where that was lost. */
  readonly atMs: number | null;
  /** What of the dead letter stands in the topics; less than all of it where a cluster has lost the end of some. */
  readonly ranges: Ranges;
  /** The released part of the ranges. */
  readonly base: Ranges;
}

/** Seqs of lanes, as people read them. */
export type NamedSpans = readonly (readonly [agent: string, stream: string, epoch: string, ...spans: string[]])[];

/** A change between two clusters; the rules do not read it. */
export interface SwitchRecord {
  readonly era: number;
  readonly from: string;
  readonly to: string;
  /** The gateway's wall clock, ms since 1970. */
  readonly atMs: number;
  readonly cause: string;
  /** What waited then until the other cluster would tell whether it has it; the first lanes of it. */
  readonly heldSeqs: number;
  readonly held: NamedSpans;
  /** What was sent though the other cluster may have it too, and is marked so; the first lanes of it. */
  readonly repeatedSeqs: number;
  readonly repeated: NamedSpans;
}

export type PositionRecord =
  | { readonly kind: "queue"; readonly queue: QueueRecord }
  | { readonly kind: "shard"; readonly shard: ShardRecord }
  | { readonly kind: "lane"; readonly entry: LaneRecord }
  | { readonly kind: "floor"; readonly floor: Floor }
  | { readonly kind: "replay"; readonly replay: ReplayRecord }
  | { readonly kind: "switch"; readonly change: SwitchRecord }
  | { readonly kind: "deleted"; readonly key: string };

type Quad = readonly [number, number, string | null, string | null];

/** Identifies one (agent, stream, epoch) as a map key, and is the text of its record's key. */
export function laneText({ agent, stream, epoch }: Lane): string {
  return JSON.stringify(["lane", agent, stream, epoch]);
}

export function floorText({ agent, storeId }: Pick<Floor, "agent" | "storeId">): string {
  return JSON.stringify(["floor", agent, storeId]);
}

export function replayText(id: string): string {
  return JSON.stringify(["replay", id]);
}

export const queueText = JSON.stringify(["queue"]);
export const shardText = JSON.stringify(["shard"]);

/** Key and value of a record; a deleted lane has no value. */
export function encodePosition(record: PositionRecord): { key: Uint8Array; value: Uint8Array | null } {
  if (record.kind === "deleted") return { key: Buffer.from(record.key), value: null };
  const { key, value } = contentOf(record);
  return { key: Buffer.from(key), value: Buffer.from(JSON.stringify(value)) };
}

function contentOf(record: Exclude<PositionRecord, { kind: "deleted" }>): { key: string; value: unknown } {
  if (record.kind === "queue") return { key: queueText, value: { v: 1, ...record.queue } };
  if (record.kind === "shard") return { key: shardText, value: { v: 1, ...record.shard } };
  if (record.kind === "floor") return { key: floorText(record.floor), value: { v: 1, run: record.floor.run } };
  if (record.kind === "switch") {
    return { key: JSON.stringify(["switch", String(record.change.era)]), value: { v: 1, ...record.change } };
  }
  if (record.kind === "replay") {
    const { id, t, atMs, ranges, base } = record.replay;
    return { key: replayText(id), value: { v: 1, t, atMs, ranges: ranges.map(toQuad), base: base.map(toQuad) } };
  }
  const { lane, storeId, run, t, ranges, base, forgotten } = record.entry;
  const value = { v: 1, t, storeId, run, ranges: ranges.map(toQuad), base: base.map(toQuad) };
  return { key: laneText(lane), value: forgotten ? { ...value, forgotten } : value };
}

/**
 * Reads a record of a positions partition.
 * @throws Fault `damaged` where it is foreign; `too-new` where a later version wrote it
 */
export function decodePosition({ topic, partition, offset, key, value }: StoredRecord): PositionRecord {
  const where = `the record at offset ${offset} of ${topic}, partition ${partition}`;
  try {
    const text = Buffer.from(key ?? []).toString();
    const parts = JSON.parse(text) as unknown[];
    const kind = Array.isArray(parts) && parts.every((part) => typeof part === "string") ? parts[0] : undefined;
    if (value === null) {
      if (kind === "lane") return { kind: "deleted", key: text };
      throw new Error(`${text} has no value`);
    }
    const content = JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>;
    if (typeof content.v === "number" && content.v > 1) {
      throw new Fault("too-new", { what: `${where} was written by a newer version`, remedy: "run the newer version" });
    }
    const [, agent, third, epoch] = parts as string[];
    if (kind === "queue") return { kind, queue: toQueue(content) };
    if (kind === "shard") return { kind, shard: toShard(content) };
    if (kind === "floor") {
      return { kind, floor: { agent: textOf(agent), storeId: textOf(third), run: countOf(content.run) } };
    }
    if (kind === "replay") return { kind, replay: toReplay(textOf(agent), content) };
    // Nothing is decided by it, so it is not looked into.
    if (kind === "switch") return { kind, change: content as unknown as SwitchRecord };
    if (kind === "lane") {
      return {
        kind,
        entry: {
          lane: { agent: textOf(agent), stream: textOf(third), epoch: textOf(epoch) },
          storeId: textOf(content.storeId),
          run: countOf(content.run),
          t: countOf(content.t),
          ranges: toRanges(content.ranges),
          base: toRanges(content.base),
          forgotten: content.forgotten === true,
        },
      };
    }
    throw new Error(`its key is ${text.slice(0, 100)}`);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("damaged", {
      what: `${where} is not one of Holdfast's`,
      why: messageOf(error),
      remedy:
        "keep other programs from writing to the positions topic; delete it, create it again, and run " +
        "`holdfast-gateway positions rebuild`",
      cause: error,
    });
  }
}

function toQueue(content: Record<string, unknown>): QueueRecord {
  const { queueId, groupId, clusterId, namespace, shards } = content;
  const ids = { queueId: textOf(queueId), groupId: textOf(groupId), clusterId: textOf(clusterId) };
  return { ...ids, namespace: textOf(namespace), shards: countOf(shards) };
}

function toShard({ owner, t, baseT, bases, mirror, clusterId, moves }: Record<string, unknown>): ShardRecord {
  return {
    owner: textOf(owner),
    t: countOf(t),
    baseT: countOf(baseT),
    bases: toBases(bases),
    mirror: toBases(mirror ?? {}),
    clusterId: textOf(clusterId ?? ""),
    moves: countOf(moves ?? 0),
  };
}

function toBases(bases: unknown): Record<string, TopicBases> {
  const read: Record<string, TopicBases> = {};
  for (const [topic, found] of Object.entries(objectOf(bases))) {
    const { topicId, newest, previous } = objectOf(found);
    read[topic] = {
      topicId: textOf(topicId),
      newest: listOf(newest).map(countOf),
      previous: listOf(previous).map(countOf),
    };
  }
  return read;
}

function toReplay(id: string, { t, atMs, ranges, base }: Record<string, unknown>): ReplayRecord {
  const at = atMs === null ? null : countOf(atMs);
  return { id, t: countOf(t), atMs: at, ranges: toRanges(ranges), base: toRanges(base) };
}

function toQuad({ first, last, before, after }: Ranges[number]): Quad {
  return [first, last, before, after];
}

function toRanges(content: unknown): Ranges {
  const ranges = listOf(content).map((quad) => {
    const [first, last, before, after] = listOf(quad);
    return { first: countOf(first), last: countOf(last), before: chainOf(before), after: chainOf(after) };
  });
  const fault = rangesFault(ranges);
  if (fault !== undefined) throw new Error(fault);
  return ranges;
}

function chainOf(content: unknown): string | null {
  if (content === null || (typeof content === "string" && /^[0-9a-f]{16}$/.test(content))) return content;
  throw new Error("a chain is not 16 hexadecimal digits");
}

function textOf(content: unknown): string {
  if (typeof content === "string" && content.length <= 1_000) return content;
  throw new Error("a text is missing");
}

function countOf(content: unknown): number {
  if (typeof content === "number" && Number.isSafeInteger(content) && content >= 0) return content;
  throw new Error("a number is missing");
}

function listOf(content: unknown): readonly unknown[] {
  if (Array.isArray(content)) return content;
  throw new Error("a list is missing");
}

function objectOf(content: unknown): Record<string, unknown> {
  if (typeof content === "object" && content !== null && !Array.isArray(content)) {
    return content as Record<string, unknown>;
  }
  throw new Error("an object is missing");
}
