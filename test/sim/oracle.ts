/**
 * What really happened, as nobody inside the system knows it: which readings producers handed over and were told of,
 * and every name under which each reading was ever stored. A reading carries its id as its value.
 */
import type { Lane } from "../../gateway/queue/queue.ts";
import type { Span } from "../../shared/ranges.ts";

/** What the producer of a reading was told. Without an answer it stays `attempted`: it may have been stored or not. */
export type Told = "attempted" | "accepted" | "refused";

/** The ids stored under one seq: more than one only where a forked process wrote under one name twice. */
export type Ids = readonly number[];

export interface Oracle {
  /** A new reading; returns its id. */
  attempt(): number;
  tell(id: number, told: Told): void;
  told(): readonly Told[];
  /** A store gave a reading this name. */
  name(lane: string, seq: number, id: number): void;
  /** A seq was given out of which the oracle cannot tell what it names: part of a loss record of a given-up epoch. */
  giveOut(lane: string, seq: number): void;
  /** The ids under a lane, by seq. */
  lane(lane: string): ReadonlyMap<number, Ids>;
  lanes(): ReadonlyMap<string, ReadonlyMap<number, Ids>>;
  /** Epochs that two processes held open at once. */
  readonly forkedEpochs: Set<string>;
  /**
   * Notes that another process goes on under a lane behind this seq. What both have before it is the same, so that
   * neither can lose it in the other's shadow.
   */
  fork(lane: Lane, last: number): void;
  /** Readings of a forked process that restarted and then could not tell that others stand in their place (PROTOCOL §9). */
  readonly residue: ReadonlySet<number>;
  /** Readings under these seqs of a lane become residue, behind its fork point. */
  leaveResidue(lane: string, spans: readonly Span[], own: readonly number[]): void;
}

export function laneName(lane: Lane): string {
  return `${lane.agent}/${lane.stream}/${lane.epoch}`;
}

export function createOracle(): Oracle {
  const told: Told[] = [];
  const lanes = new Map<string, Map<number, number[]>>();
  const none = new Map<number, Ids>();
  const residue = new Set<number>();
  const forkedEpochs = new Set<string>();
  const forkPoints = new Map<string, number>();

  function idsAt(lane: string, seq: number): number[] {
    let seqs = lanes.get(lane);
    if (seqs === undefined) lanes.set(lane, (seqs = new Map()));
    let ids = seqs.get(seq);
    if (ids === undefined) seqs.set(seq, (ids = []));
    return ids;
  }

  return {
    attempt: () => told.push("attempted") - 1,
    tell: (id, what) => void (told[id] = what),
    told: () => told,
    name(lane, seq, id) {
      const ids = idsAt(lane, seq);
      if (!ids.includes(id)) ids.push(id);
    },
    giveOut: (lane, seq) => void idsAt(lane, seq),
    lane: (lane) => lanes.get(lane) ?? none,
    lanes: () => lanes,
    forkedEpochs,
    fork(lane, last) {
      const name = laneName(lane);
      // A lane that came to be after an earlier fork of its epoch has nothing that all copies share.
      const before = forkPoints.get(name) ?? (forkedEpochs.has(lane.epoch) ? 0 : last);
      forkPoints.set(name, Math.min(last, before));
    },
    residue,
    leaveResidue(lane, spans, own) {
      const shared = forkPoints.get(lane) ?? 0;
      const mine = new Set(own);
      for (const { first, last } of spans) {
        for (let seq = Math.max(first, shared + 1); seq <= last; seq++) {
          for (const id of lanes.get(lane)?.get(seq) ?? []) if (mine.has(id)) residue.add(id);
        }
      }
    },
  };
}
