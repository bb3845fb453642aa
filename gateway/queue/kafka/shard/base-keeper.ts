/**
 * Keeps the base of a term: takes checkpoints, lets them settle, looks whether all still stands, and releases what does
 * (I5). Called now and then; between two calls nothing waits.
 */
import type { Place } from "../cluster.ts";
import { basesFrom } from "../mirror/shard-mirror.ts";
import type { ReplayRecord, TopicBases } from "../records/position-records.ts";
import { lostRecords } from "./lost-tail.ts";
import { type Checkpoint, takeCheckpoint, type Undecided, verifyCheckpoint } from "./release.ts";
import { type Site, type Term, write } from "./term.ts";

/** A base is renewed at least this often, so that retention does not pass the one of an idle shard. */
const idleBaseMs = 3_600_000;
/** Markers come within moments, but their partition may have no leader for a while. */
const markersMaxMs = 10_000;
/** Foreign transactions end sooner; later only the start's first steps can tell what became of an undecided record. */
const undecidedMaxMs = 90_000;

export interface BaseKeeper {
  /**
   * Does what is due. A checkpoint and a release are steps between transactions; looking at what stands is not, so
   * commits go on meanwhile.
   * @param inTurn runs a step between two transactions, unless the term has ended by then
   * @returns true where something was released
   */
  keep(inTurn: (step: () => Promise<void>) => Promise<void>): Promise<boolean>;
}

export function keepBase(site: Site, term: Term): BaseKeeper {
  const { env, settleMs } = site;
  let checkpoint: Checkpoint | undefined;
  /** Since when something is undecided that a checkpoint is about. */
  let undecidedMs: number | undefined;
  /** What stands here for good, and waits for the mirror. */
  let settled: Checkpoint | undefined;
  /** The latest transaction that stands for good. */
  let settledT = term.record.baseT;

  function isDue(): boolean {
    const isNew = settledT < term.record.t || (settled === undefined && term.releasedT < term.record.t);
    return isNew || env.monoMs() - term.basedMs > idleBaseMs;
  }

  async function note(): Promise<void> {
    const { t, bases, moves } = term.record;
    const ends = ({ topic, partition }: Place): number => bases[topic]?.newest[partition] ?? 0;
    const { positionsFrom, entries, lanes } = term;
    const replays = [...term.replays.values()].filter((replay) => replay.t > term.record.baseT);
    const floors = [...term.floors.keys()];
    const reached = site.mirror?.reached();
    const state = { takenMs: env.monoMs(), t, positionsFrom, entries, lanes, replays, floors, moves, reached };
    const taken = await takeCheckpoint(site, term.topics, ends, state);
    if (!("undecided" in taken)) checkpoint = taken;
    if (await isHanging("undecided" in taken ? taken : undefined)) throw lostRecords(site, "restart");
  }

  /**
   * Whether something is undecided that nobody will decide. Where a marker of this shard was lost, only its next
   * transaction in that partition would, and an idle shard has none; others end theirs by themselves.
   */
  async function isHanging(found: Undecided | undefined): Promise<boolean> {
    undecidedMs = found === undefined ? undefined : (undecidedMs ?? env.monoMs());
    if (found === undefined || undecidedMs === undefined) return false;
    const waitedMs = env.monoMs() - undecidedMs;
    if (waitedMs < markersMaxMs || waitedMs > undecidedMaxMs) return waitedMs > undecidedMaxMs;
    const from = await site.cluster.openFrom(found.undecided, site.transactionalId);
    return from !== null && from <= found.offset;
  }

  function settle(looked: Checkpoint): void {
    const { t, positions } = looked;
    // While one waits for the mirror, later ones only look after what came since.
    settled ??= looked;
    settledT = t;
    term.entries = term.entries.filter((entry) => entry.t > t);
    term.positionsFrom = positions.end;
  }

  const isReleasable = (found: Checkpoint): boolean => site.mirror?.holds(found) ?? true;

  /** @returns true where something was released */
  async function releaseSettled(): Promise<boolean> {
    if (settled === undefined || !isReleasable(settled)) return false;
    const next = settled;
    settled = undefined;
    // A lane's record tells of the base before it. One that was noted before that base was known would skip a base.
    checkpoint = undefined;
    await release(next);
    return true;
  }

  async function release(released: Checkpoint): Promise<void> {
    const { t, anchors, lanes, replays, reached } = released;
    const bases: Record<string, TopicBases> = {};
    for (const { topic, topicId, end } of anchors) {
      const previous = term.record.bases[topic]?.newest ?? [];
      const known = bases[topic] ?? { topicId, newest: [], previous };
      bases[topic] = { ...known, newest: [...known.newest, end] };
    }
    const doomed = forgottenBefore(term.record.baseT);
    const isIdle = term.record.t === t;
    const mirror = reached === undefined ? term.record.mirror : basesFrom(term.record.mirror, reached);
    term.record = { ...term.record, baseT: t, bases, mirror };
    term.basedMs = env.monoMs();
    for (const [key, entry] of term.lanes) {
      const base = lanes.get(key)?.ranges ?? [];
      if (entry.base !== base) term.lanes.set(key, { ...entry, base });
    }
    for (const { id, ranges } of replays) {
      term.replays.set(id, { ...(term.replays.get(id) as ReplayRecord), base: ranges });
    }
    term.releasedT = t;
    site.mirror?.release(released, doomed);
    if (!isIdle && doomed.length === 0) return;
    // An idle shard's base is written alone; such a transaction needs no release of its own.
    await write(site, term, { others: doomed.map((key) => ({ kind: "deleted", key })) });
    for (const key of doomed) term.lanes.delete(key);
    if (isIdle) settledT = term.releasedT = term.record.t;
  }

  /** Lanes that were forgotten before the older base: no scan can meet their readings any more. */
  function forgottenBefore(baseT: number): string[] {
    return [...term.lanes].flatMap(([key, { forgotten, t }]) => (forgotten && t <= baseT ? key : []));
  }

  return {
    async keep(inTurn) {
      let isReleased = false;
      const releaseNext = async (): Promise<void> => {
        isReleased = await releaseSettled();
      };
      if (settled !== undefined && isReleasable(settled)) {
        await inTurn(releaseNext);
        return isReleased;
      }
      if (checkpoint === undefined) {
        if (isDue()) await inTurn(note);
        return false;
      }
      if (env.monoMs() < checkpoint.takenMs + settleMs) return false;
      const looked = checkpoint;
      const verdict = await verifyCheckpoint(site, looked, term.entries, settledT);
      const undecided = typeof verdict === "object" ? verdict : undefined;
      const isLost = (await isHanging(undecided)) || verdict === "lost";
      if (undecided !== undefined && !isLost) return false;
      await inTurn(async () => {
        checkpoint = undefined;
        if (isLost) throw lostRecords(site, "restart");
        if (verdict !== "stands") return;
        settle(looked);
        await releaseNext();
      });
      return isReleased;
    },
  };
}
