/**
 * Which of two clusters takes what is forwarded, and what of the other one must wait. All that is decided is written to
 * the journal's ledger first; the rules stand in docs/design-kafka.md, and the simulation breaks each of them (I5).
 */
import type { Logger } from "pino";
import type { Env } from "../../../shared/env.ts";
import { Fault, messageOf } from "../../../shared/errors.ts";
import type { Ranges } from "../../../shared/ranges.ts";
import type { KafkaQueue } from "../kafka/kafka.ts";
import type { Lane, LanePosition, Outcome } from "../queue.ts";
import { openAnnouncer } from "./announce.ts";
import { attendant } from "./attendant.ts";
import { beginLedger, firstEra } from "./begin.ts";
import { openChanges } from "./changes.ts";
import { openDoubts } from "./doubts.ts";
import { openEras } from "./eras.ts";
import { namesOf, seqsIn } from "./held.ts";
import { bothSides, type Ledger, type LedgerState, otherSide, type Side } from "./ledger.ts";
import { openMeetings } from "./meetings.ts";
import { type StandbyRules, sideFor } from "./policy.ts";
import { beganAnew, noSwitch, otherCluster, overtaken, unmet } from "./refusals.ts";
import type { SideKeeper } from "./side.ts";

/** What the posture needs of the journal. */
export interface StandbyJournal {
  readonly ledger: Ledger;
  journalId(): string;
  /** Compares itself with what the clusters have. @throws Fault `busy` where it went back and cannot ask both */
  meetQueue(): Promise<void>;
  /** Keeps what a person has given up until it is noted in the ledger. */
  readonly keepGivenUp?: (side: Side) => void;
  /** It is noted by now. */
  readonly onGivenUp?: () => void;
}

export interface PostureOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly rules: StandbyRules;
  readonly groupId: string;
  readonly sides: Readonly<Record<Side, SideKeeper>>;
  /** The side that a person has given up while no ledger could be written. */
  readonly abandoned: Side | null;
  /** The active cluster is another one, or what is held has changed: whatever is planned must be planned again. */
  readonly onMove: () => void;
  /** The active queue is about to be closed: what it has released must stay known, and what is under way is in doubt. */
  readonly onLeave: (released: Iterable<LanePosition>) => void;
}

export type Posture = ReturnType<typeof keepPosture>;

const lookEveryMs = 1_000;
/** A cluster that is left while all is well is asked first what it has: then the other one goes on in order. */
const graceMs = 30_000;
/** A commit that takes no longer is no trouble. */
const wellMs = 5_000;

export function keepPosture(options: PostureOptions) {
  const { env, log, rules, groupId, sides, onMove } = options;
  let journal: StandbyJournal | undefined;
  let state: LedgerState | null = null;
  /** What a person has given up before there was a ledger to note it in. */
  let { abandoned: given } = options;
  let isReady = false;
  let isOver = false;
  let why = unmet();
  let sinceMs = env.monoMs();
  let graceUntilMs = Number.NEGATIVE_INFINITY;
  let troubleSinceMs: number | null = env.monoMs();
  const eras = openEras();
  const doubts = openDoubts(log, onMove);
  const announce = openAnnouncer(log);
  const meetings = openMeetings({ sides, groupId, queueOf });
  const { attend, end } = attendant(() =>
    settle().catch((error: unknown) => {
      if (!(error instanceof Fault)) log.error({ err: error }, "the two clusters cannot be told apart");
      unready(error instanceof Fault ? error : unmet(messageOf(error)));
    }),
  );
  const changes = openChanges({ env, log, sides, eras, attend, present });
  let timer = env.after(lookEveryMs, look);

  const abandoned = (): Side | null => given ?? state?.abandoned ?? null;
  const active = (): KafkaQueue | undefined => (state === null ? undefined : queueOf(state.active));
  const other = (): KafkaQueue | undefined => (state === null ? undefined : queueOf(otherSide(state.active)));

  function queueOf(side: Side): KafkaQueue | undefined {
    return abandoned() === side ? undefined : sides[side].queue();
  }

  function present(): { journal: StandbyJournal; state: LedgerState } {
    if (journal === undefined || state === null) throw why;
    return { journal, state };
  }

  function look(): void {
    timer = env.after(lookEveryMs, look);
    // What is in doubt shrinks as the active cluster releases it, which nobody else tells.
    if (!isReady || journal?.ledger.state() === null || doubts.doubted().size > 0) attend();
    if (state === null || journal === undefined || isOver || eras.isMoving()) return;
    const away = otherSide(state.active);
    if (
      rules.inDoubt === "repeat" &&
      !state.isRepeating &&
      isLongSilent(away) &&
      journal.ledger.reserved(away).length > 0
    ) {
      changes.moveAlone({ isRepeating: true }, "nobody waits for it");
      return;
    }
    const wanted = sideFor(rules, {
      nowMs: env.monoMs(),
      active: state.active,
      abandoned: state.abandoned,
      troubleSinceMs,
      otherSinceMs: sides[away].answersSinceMs(),
      heldSeqs: seqsIn(doubts.held().values()),
    });
    if (wanted !== state.active) changes.moveAlone({ active: wanted, isRepeating: false }, "by itself");
  }

  function isLongSilent(side: Side): boolean {
    const sinceMs = sides[side].silentSinceMs();
    return sinceMs !== null && env.monoMs() - sinceMs >= rules.switchAfterMs;
  }

  function unready(fault: Fault): void {
    isReady = false;
    why = fault;
    troubleSinceMs ??= env.monoMs();
    isOver ||= !fault.retryable;
  }

  /** Sees to whatever has changed: clusters that came, the ledger, what the other cluster may have. */
  async function settle(): Promise<void> {
    if (journal === undefined || isOver) return;
    const { ledger } = journal;
    await meetings.meet(journal);
    if (state !== null && ledger.state() === null) return leaveLedger(journal, state);
    const noted = ledger.state() ?? (await begin(journal));
    if (noted === null) return unready(unmet("the journal is new or may have gone back, and needs both clusters"));
    if (!eras.isOwn(noted.era)) throw overtaken();
    if (noted.era !== state?.era) take(noted);
    if (given !== null && noted.abandoned !== given) return await changes.giveUp(given);
    if (given !== null) journal.onGivenUp?.();
    given = null;
    for (const side of bothSides) await recognise(side);
    if (active() === undefined) return unready(unmet(sides[noted.active].trouble()));
    if (other() === undefined && env.monoMs() < graceUntilMs) return unready(unmet("the other one is asked first"));
    const side = otherSide(noted.active);
    const era = state?.era ?? noted.era;
    await doubts.divide({ ledger, era, side, queue: other(), mayRepeat: mayRepeat(side) });
    const queues = bothSides.flatMap((one) => queueOf(one) ?? []);
    announce(state?.change ?? null, queues);
    if (isReady) return;
    troubleSinceMs = null;
    isReady = true;
    onMove();
  }

  /** Under a new id of the journal nothing is noted; what is under way is fenced before both clusters are asked. */
  function leaveLedger(
    { journalId, keepGivenUp }: StandbyJournal,
    { active: side, abandoned: lost }: LedgerState,
  ): void {
    unready(unmet("the journal may have gone back"));
    leave(side);
    // What was given up stays so, though no ledger says it for now.
    given = lost;
    if (lost === null) meetings.openAnew(otherSide(side), journalId());
    else keepGivenUp?.(lost);
    state = null;
    eras.enter(undefined);
    onMove();
  }

  /** Both clusters must have been opened since the journal has this id: nobody can have sent anything since. */
  async function begin({ ledger, journalId }: StandbyJournal): Promise<LedgerState | null> {
    const past = meetings.past(journalId()).filter((side) => side !== given);
    for (const side of past) meetings.openAnew(side, journalId());
    if (past.length > 0) return null;
    const queues = { primary: queueOf("primary"), standby: queueOf("standby") };
    eras.enter(firstEra);
    if (!(await beginLedger(ledger, queues, given))) return null;
    log.info("from here on the journal notes what it sends to which cluster");
    return ledger.state();
  }

  /** Takes its place in an era. */
  function take(next: LedgerState): void {
    sinceMs = env.monoMs();
    graceUntilMs = Number.NEGATIVE_INFINITY;
    if (state !== null && state.active !== next.active) {
      const isWell = troubleSinceMs === null || sinceMs - troubleSinceMs < wellMs;
      if (isWell && sides[state.active].answersSinceMs() !== null) graceUntilMs = sinceMs + graceMs;
      leave(state.active);
    }
    state = next;
    troubleSinceMs = null;
    doubts.clear();
    unready(unmet());
    onMove();
    if (next.abandoned !== null) {
      graceUntilMs = Number.NEGATIVE_INFINITY;
      sides[next.abandoned].close().catch((error: unknown) => log.error({ err: error }, messageOf(error)));
    }
  }

  /** What is under way there is fenced by the first step of a start, and then it is there or not. */
  function leave(side: Side): void {
    options.onLeave(sides[side].queue()?.releasedPositions() ?? []);
    meetings.openAnew(side, journal?.journalId() ?? "");
  }

  /** A cluster that took the place of another one under the same name knows nothing of what the ledger says. */
  async function recognise(side: Side): Promise<void> {
    const queue = queueOf(side);
    if (queue === undefined || state === null || queue.clusterId === state.clusterIds[side]) return;
    if (state.clusterIds[side] !== null) throw otherCluster(side, `it is ${queue.clusterId}`);
    await changes.note({ clusterIds: { ...state.clusterIds, [side]: queue.clusterId } });
    state = journal?.ledger.state() ?? state;
  }

  /** A side that came back and fell silent again holds nobody up either. */
  function mayRepeat(away: Side): boolean {
    return state?.isRepeating === true && (queueOf(away) === undefined || isLongSilent(away));
  }

  /** @throws Fault why nothing can be committed now */
  function ready(): { queue: KafkaQueue; state: LedgerState; ledger: Ledger } {
    const queue = active();
    if (journal === undefined || state === null || queue === undefined || !isReady) throw why;
    return { queue, state, ledger: journal.ledger };
  }

  return {
    begin(opened: StandbyJournal): void {
      journal = opened;
      state = opened.ledger.state();
      eras.enter(state?.era);
      for (const side of bothSides) if (side !== abandoned()) meetings.start(side, opened.journalId());
      attend();
    },
    /** A side is there, or has moved on. */
    changed(side: Side): void {
      // Whatever the active side commits and releases changes nothing here; only its opening does.
      if (!isReady || side !== state?.active || !meetings.isMet(side)) attend();
    },
    abandoned,
    active,
    other,
    queueOf,
    /** What the journal knows as forwarded. */
    told: (lane: Lane): Ranges => journal?.ledger.forwarded(lane) ?? [],
    held: doubts.held,
    doubted: doubts.doubted,
    ready,
    /** Notes what is about to be sent to the active side. @throws Fault where that is another one by now */
    async reserve(outcomes: readonly Outcome[]): Promise<void> {
      const { state: noted, ledger } = ready();
      troubleSinceMs ??= env.monoMs();
      if (await ledger.reserve(noted.era, noted.active, namesOf(outcomes))) return;
      const present = ledger.state();
      if (present !== null && !eras.isOwn(present.era)) throw overtaken();
      attend();
      throw beganAnew();
    },
    /** The active cluster has taken something. */
    took: (): void => void (troubleSinceMs = null),
    switchTo: changes.switchTo,
    async abandon(side: Side): Promise<void> {
      if (abandoned() === otherSide(side)) throw noSwitch(side, "the other one was given up before");
      if (state !== null) return await changes.giveUp(side);
      journal?.keepGivenUp?.(side);
      given = side;
      attend();
    },
    /** Another cluster stands where one was given up. */
    async renew(side: Side): Promise<void> {
      const journalId = journal?.journalId() ?? "";
      await changes.renew(side);
      meetings.start(side, journalId);
    },
    state: (): LedgerState | null => state,
    /** Which clusters the sides were when they were met last. */
    clusterIds: (): LedgerState["clusterIds"] | null => state?.clusterIds ?? journal?.ledger.clusterIds() ?? null,
    trouble: (): string | null => (isReady ? null : messageOf(why)),
    async close(): Promise<void> {
      isOver = true;
      timer.cancel();
      await Promise.all(bothSides.map((side) => sides[side].close()));
      await end();
    },
  };
}
