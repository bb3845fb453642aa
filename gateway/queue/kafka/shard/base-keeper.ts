/**
 * Keeps the base of a term: takes checkpoints, lets them settle, looks whether all still stands, and releases what does
 * (I5). Called now and then; between two calls nothing waits.
 */
import type { Place } from "../cluster.ts";
import type { ReplayRecord, TopicBases } from "../records/position-records.ts";
import { lostRecords } from "./lost-tail.ts";
import { type Checkpoint, takeCheckpoint, verifyCheckpoint } from "./release.ts";
import { type Site, type Term, write } from "./term.ts";

/** A base is renewed at least this often, so that retention does not pass the one of an idle shard. */
const idleBaseMs = 3_600_000;
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
  /** Since when no checkpoint can be taken. */
  let undecidedMs: number | undefined;

  function isDue(): boolean {
    return term.releasedT < term.record.t || env.monoMs() - term.basedMs > idleBaseMs;
  }

  async function note(): Promise<void> {
    const { t, bases } = term.record;
    const ends = ({ topic, partition }: Place): number => bases[topic]?.newest[partition] ?? 0;
    const { positionsFrom, entries, lanes } = term;
    const replays = [...term.replays.values()].filter((replay) => replay.t > term.record.baseT);
    const floors = [...term.floors.keys()];
    const state = { takenMs: env.monoMs(), t, positionsFrom, entries, lanes, replays, floors };
    checkpoint = await takeCheckpoint(site, term.topics, ends, state);
    undecidedMs = checkpoint === undefined ? (undecidedMs ?? env.monoMs()) : undefined;
    if (undecidedMs !== undefined && env.monoMs() > undecidedMs + undecidedMaxMs) throw lostRecords(site, "restart");
  }

  async function release({ t, anchors, positions, lanes, replays }: Checkpoint): Promise<void> {
    const bases: Record<string, TopicBases> = {};
    for (const { topic, topicId, end } of anchors) {
      const previous = term.record.bases[topic]?.newest ?? [];
      const known = bases[topic] ?? { topicId, newest: [], previous };
      bases[topic] = { ...known, newest: [...known.newest, end] };
    }
    const doomed = forgottenBefore(term.record.baseT);
    const isIdle = term.record.t === t;
    term.record = { ...term.record, baseT: t, bases };
    term.entries = term.entries.filter((entry) => entry.t > t);
    term.positionsFrom = positions.end;
    term.basedMs = env.monoMs();
    for (const [key, entry] of term.lanes) {
      const base = lanes.get(key)?.ranges ?? [];
      if (entry.base !== base) term.lanes.set(key, { ...entry, base });
    }
    for (const { id, ranges } of replays) {
      term.replays.set(id, { ...(term.replays.get(id) as ReplayRecord), base: ranges });
    }
    term.releasedT = t;
    if (!isIdle && doomed.length === 0) return;
    // An idle shard's base is written alone; such a transaction needs no release of its own.
    await write(site, term, { others: doomed.map((key) => ({ kind: "deleted", key })) });
    for (const key of doomed) term.lanes.delete(key);
    if (isIdle) term.releasedT = term.record.t;
  }

  /** Lanes that were forgotten before the older base: no scan can meet their readings any more. */
  function forgottenBefore(baseT: number): string[] {
    return [...term.lanes].flatMap(([key, { forgotten, t }]) => (forgotten && t <= baseT ? key : []));
  }

  return {
    async keep(inTurn) {
      if (checkpoint === undefined) {
        if (isDue()) await inTurn(note);
        return false;
      }
      if (env.monoMs() < checkpoint.takenMs + settleMs) return false;
      const settled = checkpoint;
      const verdict = await verifyCheckpoint(site, settled, term.entries, term.record.baseT);
      if (verdict === "undecided" && env.monoMs() < settled.takenMs + settleMs + undecidedMaxMs) return false;
      await inTurn(async () => {
        checkpoint = undefined;
        if (verdict === "lost" || verdict === "undecided") throw lostRecords(site, "restart");
        if (verdict === "stands") await release(settled);
      });
      return verdict === "stands";
    },
  };
}
