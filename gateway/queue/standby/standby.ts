/**
 * The queue on two clusters: one of them takes what is forwarded, and where it is lost or away for long the other one
 * goes on. Every reading stands in one of the two, once (I5): what one of them may have is not sent to the other before
 * that one has told, or an operator has given it up. posture.ts decides; this is the queue contract over it.
 */
import type { Logger } from "pino";
import { crashPoint } from "../../../shared/crash-point.ts";
import type { Env } from "../../../shared/env.ts";
import { beyond } from "../../../shared/ranges.ts";
import type { Reach, SeedingQueue } from "../../journal/reseed.ts";
import type { KafkaQueue } from "../kafka/kafka.ts";
import { closedFault } from "../kafka/refusals.ts";
import { laneKey } from "../lane-key.ts";
import type { LanePosition, Outcome, Queue } from "../queue.ts";
import { eitherLetters } from "./dead-letters.ts";
import { marked, seqsIn } from "./held.ts";
import { openKnowledge } from "./knowledge.ts";
import { bothSides, type LedgerState, otherSide, type Side } from "./ledger.ts";
import type { StandbyRules } from "./policy.ts";
import { keepPosture, type StandbyJournal } from "./posture.ts";
import { beganAnew } from "./refusals.ts";
import { keepSide } from "./side.ts";

export interface StandbyOptions {
  readonly groupId: string;
  /** What the journal knows as forwarded; empty where it cannot be read yet. */
  readonly remembered: readonly LanePosition[];
  /** Opens the queue of a side. @param mayMake it may be empty: nobody has met it under this ledger */
  readonly open: (side: Side, mayMake: boolean, signal: AbortSignal) => Promise<KafkaQueue>;
  readonly rules: StandbyRules;
  /** The side that a person has given up while no ledger could be written. */
  readonly abandoned: Side | null;
  readonly env: Env;
  readonly log: Logger;
}

/** How the two clusters are, for `status`. */
export interface StandbyStatus {
  readonly era: number;
  readonly active: Side | null;
  readonly abandoned: Side | null;
  /** Seqs that wait for the other cluster to tell whether it has them. */
  readonly heldSeqs: number;
  /** Seqs that the other cluster may have, and that are sent to this one marked. */
  readonly doubtedSeqs: number;
  /** Why nothing can be committed now; null where it can. */
  readonly trouble: string | null;
  readonly clusters: Readonly<Record<Side, { readonly answers: boolean; readonly trouble: string | null }>>;
}

export interface StandbyQueue extends Queue {
  /** Opens both clusters before there is a journal, which needs bothSides. */
  start(): void;
  /** From here on steps are committed, and noted in the journal's ledger. */
  begin(journal: StandbyJournal): void;
  /** How much of what the clusters have is known; what was given up counts as such. */
  reach(): Reach;
  /** What a journal compares and unites itself with. */
  readonly seeding: SeedingQueue;
  switchTo(side: Side): Promise<void>;
  abandon(side: Side): Promise<void>;
  /** Takes another cluster into use where one was given up. */
  renew(side: Side): Promise<void>;
  status(): StandbyStatus;
}

export function standbyQueue(options: StandbyOptions): StandbyQueue {
  const { env, log, rules, groupId, abandoned } = options;
  const listeners = new Set<() => void>();
  let generation = 0;
  /** The active queue's generation and its steps when ours began. */
  let seen: { readonly queue: KafkaQueue | undefined; readonly generation: number } = {
    queue: undefined,
    generation: 0,
  };
  let stepsBefore = 0;
  let closed = false;
  /** Rejects a commit that is under way where its cluster is no longer the active one. */
  let left = Promise.withResolvers<never>();
  left.promise.catch(() => undefined);

  const sideOf = (side: Side) =>
    keepSide({
      side,
      env,
      log,
      open: (signal) => options.open(side, mayMake(side), signal),
      onChange() {
        follow();
        posture.changed(side);
        tell();
      },
    });
  const sides = { primary: sideOf("primary"), standby: sideOf("standby") };
  const posture = keepPosture({
    env,
    log,
    rules,
    groupId,
    sides,
    abandoned,
    onMove() {
      renew(posture.active()?.progress().committed ?? 0);
      tell();
    },
    onLeave(released) {
      // Nothing else may be committed there before this has ended, and it may never end: only another queue goes on.
      left.reject(beganAnew());
      left = Promise.withResolvers<never>();
      left.promise.catch(() => undefined);
      knowledge.remember(released);
    },
  });

  /** Where the side was never met, and an empty topic is no lost one. */
  function mayMake(side: Side): boolean {
    const known = posture.clusterIds();
    return known === null ? side === "standby" : known[side] === null;
  }

  function tell(): void {
    for (const listener of listeners) listener();
  }

  function renew(before: number): void {
    const queue = posture.active();
    generation++;
    stepsBefore = before;
    seen = { queue, generation: queue?.progress().generation ?? 0 };
  }

  /** A new generation of the active queue, or another active queue, is a new one of ours. */
  function follow(): void {
    const queue = posture.active();
    if (queue === seen.queue && (queue?.progress().generation ?? 0) === seen.generation) return;
    renew(0);
  }

  function reach(): Reach {
    const wanted = bothSides.filter((side) => side !== posture.abandoned());
    const open = wanted.filter((side) => posture.queueOf(side) !== undefined).length;
    return open === wanted.length ? "all" : open === 0 ? "nothing" : "part";
  }

  function refuse(): never {
    throw closedFault();
  }

  const queues = (): KafkaQueue[] => (closed ? refuse() : bothSides.flatMap((side) => posture.queueOf(side) ?? []));
  const knowledge = openKnowledge({
    groupId,
    remembered: options.remembered,
    queues,
    active: posture.active,
    told: posture.told,
    reach,
  });
  const { forwarded, released, positions, releasedPositions, floors, seeding } = knowledge;

  async function commit(outcomes: readonly Outcome[], positions: readonly LanePosition[]): Promise<void> {
    if (closed) throw closedFault();
    follow();
    const planned = generation;
    await posture.reserve(outcomes);
    crashPoint("standby names reserved");
    follow();
    const { queue } = posture.ready();
    if (generation !== planned) throw beganAnew();
    await Promise.race([queue.commit(marked(outcomes, posture.doubted()), positions), left.promise]);
    posture.took();
  }

  return {
    get queueId() {
      return queues()[0]?.queueId ?? "";
    },
    groupId,
    start() {
      for (const side of bothSides) if (side !== abandoned) sides[side].start();
    },
    begin: posture.begin,
    reach,
    seeding,
    progress() {
      follow();
      const progress = posture.active()?.progress() ?? { committed: stepsBefore, released: stepsBefore - 1 };
      return {
        generation,
        committed: progress.committed - stepsBefore,
        released: progress.released - stepsBefore,
      };
    },
    onProgress: (listener) => void listeners.add(listener),
    positions,
    forwarded,
    held(lane) {
      const spans = posture.held().get(laneKey(lane))?.spans ?? [];
      return spans.length === 0 ? spans : beyond(spans, forwarded(lane));
    },
    released,
    releasedPositions,
    floors,
    commit,
    async forget(floor, lanes) {
      const { queue, state } = posture.ready();
      await queue.forget(floor, lanes);
      knowledge.forget(lanes);
      // Only its size depends on that: a cluster that is away keeps lanes that nobody asks for.
      const other = otherSide(state.active);
      if (sides[other].answersSinceMs() === null) return;
      const failed = (error: unknown): void => log.warn({ err: error, side: other }, "a cluster keeps old lanes");
      posture.other()?.forget(floor, lanes).catch(failed);
    },
    gone: () => queues().flatMap((queue) => queue.gone?.() ?? []),
    deadLetters: eitherLetters(queues),
    switchTo: posture.switchTo,
    abandon: posture.abandon,
    renew: posture.renew,
    status: (): StandbyStatus => {
      const state: LedgerState | null = posture.state();
      const cluster = (side: Side) => ({
        answers: sides[side].answersSinceMs() !== null,
        trouble: sides[side].trouble(),
      });
      return {
        era: state?.era ?? 0,
        active: state?.active ?? null,
        abandoned: posture.abandoned(),
        heldSeqs: seqsIn(posture.held().values()),
        doubtedSeqs: seqsIn(posture.doubted().values()),
        trouble: posture.trouble(),
        clusters: { primary: cluster("primary"), standby: cluster("standby") },
      };
    },
    async close() {
      closed = true;
      left.reject(closedFault());
      await posture.close();
    },
  };
}
