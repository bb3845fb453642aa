/** One shard's view of the standby: what was read there of the shard, and whether that is enough to let the journal go on. */
import type { Logger } from "pino";
import type { Env } from "../../../../shared/env.ts";
import type { Place } from "../cluster.ts";
import { type LaneRecord, type ReplayRecord, replayText, type ShardRecord } from "../records/position-records.ts";
import type { RecordName } from "../records/record-names.ts";
import { type Claim, seenNames } from "./seen-names.ts";

/** By topic of the standby: which topic of that name it is, and how far each partition was read. */
export type Reached = Readonly<Record<string, { readonly topicId: string; readonly next: readonly number[] }>>;

/** What a release is about. */
export interface Released {
  /** The latest transaction of it. */
  readonly t: number;
  readonly lanes: ReadonlyMap<string, Pick<LaneRecord, "ranges">>;
  readonly replays: Iterable<Pick<ReplayRecord, "id" | "ranges">>;
}

/** What the shard asks. */
export interface ShardMirror {
  /** A term has begun: this is released, and need not be on the standby any more for the journal's sake. */
  begin(record: ShardRecord, lanes: ReadonlyMap<string, LaneRecord>, replays: Iterable<ReplayRecord>): void;
  /** Between two transactions: what the shard writes from here on will stand on the standby behind these places. */
  reached(): Reached;
  /** True once all of it was read on the standby. */
  holds(released: Released): boolean;
  /** The journal has let go of it. @param forgotten keys of lanes that are deleted */
  release(released: Released, forgotten: readonly string[]): void;
}

/** What the watch of the standby tells. */
export interface WatchedShard extends ShardMirror {
  /** Where the reading begins, once the first term has told. */
  from(): ShardRecord["mirror"] | undefined;
  note(place: Place, name: RecordName): void;
  notePositions(t: number): void;
  /** Topics of the standby were made anew. */
  clear(): void;
  /** What is said of a standby that lags; null where it does not. */
  trouble(): string | null;
}

export interface ShardMirrorOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly shard: number;
  readonly settleMs: number;
  readonly reached: () => Reached;
}

/** A standby that lags for longer is said; it takes the settle time, and a part of one more, where all is well. */
const patienceMs = 60_000;
const lacking =
  "the standby lacks what was forwarded: the journal keeps it; look whether MirrorMaker runs and copies every topic";

export function openShardMirror({ env, log, shard, settleMs, reached }: ShardMirrorOptions): WatchedShard {
  const names = seenNames();
  /** By partition, the transaction of the latest record: one that is older than its neighbour before was copied again. */
  const latestT = new Map<string, number>();
  let from: ShardRecord["mirror"] | undefined;
  let positionsT = 0;
  /** What transactions up to this one wrote is released: nobody waits for it. */
  let releasedT = 0;
  let waitingSinceMs: number | undefined;
  let wasSaid = false;
  let wasDoubleSaid = false;

  function sayWaiting(isThere: boolean, t: number): void {
    if (isThere) {
      if (wasSaid) log.info({ shard, t }, "the standby has caught up");
      waitingSinceMs = undefined;
      wasSaid = false;
      return;
    }
    waitingSinceMs ??= env.monoMs();
    if (wasSaid || env.monoMs() < waitingSinceMs + patienceMs + 2 * settleMs) return;
    wasSaid = true;
    log.error({ shard, t, alarm: true }, lacking);
  }

  function sayDouble(place: Place): void {
    if (wasDoubleSaid) return;
    wasDoubleSaid = true;
    log.error(
      { ...place, shard, alarm: true },
      "the standby holds records twice, as after a loss that was copied before it was noticed: seed it anew",
    );
  }

  return {
    begin({ mirror, baseT }, lanes, replays) {
      from ??= mirror;
      releasedT = Math.max(releasedT, baseT);
      names.release(claimsOf({ lanes: mapped(lanes), replays: [...replays].map(baseOf) }));
    },
    reached,
    holds(released) {
      const isThere = positionsT >= released.t && names.holds(claimsOf(released));
      sayWaiting(isThere, released.t);
      return isThere;
    },
    release(released, forgotten) {
      releasedT = Math.max(releasedT, released.t);
      names.release(claimsOf(released));
      names.forget(forgotten);
    },
    from: () => from,
    trouble: () => (wasSaid ? lacking : null),
    note(place, name) {
      const key = `${place.topic}/${place.partition}`;
      const isOlder = name.t < (latestT.get(key) ?? 0);
      latestT.set(key, name.t);
      const again = name.t > releasedT ? names.note(name) : 0;
      if (again > 0 || isOlder) sayDouble(place);
    },
    notePositions(t) {
      positionsT = Math.max(positionsT, t);
    },
    clear() {
      names.clear();
      latestT.clear();
      positionsT = 0;
      wasDoubleSaid = false;
    },
  };
}

function* claimsOf({ lanes, replays }: Pick<Released, "lanes" | "replays">): Generator<Claim> {
  for (const [key, { ranges }] of lanes) yield { key, ranges };
  for (const { id, ranges } of replays) yield { key: replayText(id), ranges };
}

function baseOf<T extends { readonly base: LaneRecord["base"] }>(entry: T): T & Pick<LaneRecord, "ranges"> {
  return { ...entry, ranges: entry.base };
}

function mapped(lanes: ReadonlyMap<string, LaneRecord>): Map<string, LaneRecord> {
  return new Map([...lanes].map(([key, entry]) => [key, baseOf(entry)]));
}

/** The bases on the standby once that is the base which was noted together with `reached`. */
export function basesFrom(before: ShardRecord["mirror"], reached: Reached): ShardRecord["mirror"] {
  return Object.fromEntries(
    Object.entries(reached).map(([topic, { topicId, next }]) => {
      const known = before[topic];
      return [topic, { topicId, newest: next, previous: known?.topicId === topicId ? known.newest : [] }];
    }),
  );
}
