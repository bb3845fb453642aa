/**
 * The forwarder: pulls entries from the journal in order and commits them with their positions to the queue, one
 * transaction in flight (I5). SPEC.md holds the table of its states. Each state is a function that returns the next.
 */
import type { Logger } from "pino";
import { backoffMs } from "../../shared/backoff.ts";
import { crcHolds } from "../../shared/block/block.ts";
import type { Env } from "../../shared/env.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import type { Journal, JournalEntry } from "../journal/journal.ts";
import type { LanePosition, Outcome, Queue } from "../queue/queue.ts";
import { commitSizeMax, isLarge, nextCommitSize, sizeOfEntries } from "./commit-size.ts";
import { type ForwarderTotals, openTotals } from "./counters.ts";
import { type Body, bodyOf } from "./outcome.ts";
import { planCommit } from "./plan.ts";
import { watchSilence } from "./silence.ts";
import { openUnreleased, type Waiting } from "./unreleased.ts";

export type ForwarderState = "forwarding" | "idle" | "backing-off" | "stopped" | "closed";

export interface ForwarderOptions {
  readonly journal: Pick<Journal, "journalId" | "read" | "onAdded" | "settle" | "cut" | "forgettable" | "forget">;
  readonly queue: Pick<Queue, "forwarded" | "held" | "commit" | "forget" | "progress" | "onProgress">;
  readonly env: Env;
  readonly log: Logger;
  /**
   * A commit begins this long after the one before at the earliest, unless so much waits that it is large anyway. For
   * queues whose commits cost more than what they carry; 0 by default.
   */
  readonly commitIntervalMs?: number;
  /** Forwarding has ended until somebody acts: a codec that only a later version reads, or a queue that refuses for good. */
  readonly onStopped?: (fault: Fault) => void;
}

export interface ForwarderStatus extends ForwarderTotals {
  readonly state: ForwarderState;
  /** Why it does not forward, or waits long for the queue, and what to do about it; null while it does. */
  readonly trouble: string | null;
  /** What the queue has and has not released; it stays in the journal until then. */
  readonly settling: Waiting;
}

export interface Forwarder {
  status(): ForwarderStatus;
  /** Resolves as soon as nothing in the journal waits for its commit. */
  idle(): Promise<void>;
  /** Lets the commit in flight end, then stops. */
  close(): Promise<void>;
}

/** Entries that may wait for the release of their steps: what is remembered of them stays below 16 MB (I8). */
const unreleasedMax = 1_000_000;
/** Old epochs are looked for this often. */
const forgetEveryMs = 10_000;

type Next = Exclude<ForwarderState, "closed">;

export function startForwarder(options: ForwarderOptions): Forwarder {
  const { journal, queue, env, log, commitIntervalMs = 0 } = options;
  const totals = openTotals(env.monoMs());
  const silence = watchSilence(env);
  let state: ForwarderState = "forwarding";
  let trouble: string | null = null;
  let failures = 0;
  let forgottenMs = Number.NEGATIVE_INFINITY;
  let committedMs = Number.NEGATIVE_INFINITY;
  let most = commitSizeMax;
  let closing = false;
  let wake: () => void = () => {};
  let idlers: (() => void)[] = [];
  /** True where something came while nobody waited for it: entries, a release, a new generation. */
  let added = false;
  const unreleased = openUnreleased();
  /** The latest entry that was passed over, since a part of it is held. */
  let passedId = 0;
  let generation = generationNow();

  /** A queue or a journal that may have gone back: what was committed before it may be missing there now. */
  function generationNow(): string {
    return `${journal.journalId()} ${queue.progress().generation}`;
  }

  /** Waits for new entries, for `delayMs` where given, or for the close. */
  async function pause(delayMs: number | null): Promise<void> {
    if (closing || (delayMs === null && added)) return;
    const woken = Promise.withResolvers<void>();
    wake = woken.resolve;
    const timer = delayMs === null ? undefined : env.after(delayMs, woken.resolve);
    await woken.promise;
    timer?.cancel();
    wake = () => {};
  }

  /** Only what the CRC of its agent vouches for goes on; the rest is cut out and comes again. */
  async function intact(entries: readonly JournalEntry[]): Promise<JournalEntry[]> {
    const good: JournalEntry[] = [];
    for (const entry of entries) {
      if (crcHolds(entry.block)) good.push(entry);
      else {
        await journal.cut(entry);
        totals.cut();
      }
    }
    return good;
  }

  /** The entries before the first with a codec that this version cannot read, with what they hold. */
  function decoded(entries: readonly JournalEntry[]): { entry: JournalEntry; body: Body }[] {
    const found: { entry: JournalEntry; body: Body }[] = [];
    for (const entry of entries) {
      try {
        found.push({ entry, body: bodyOf(entry) });
      } catch (error) {
        if (found.length === 0) throw error;
        break;
      }
    }
    return found;
  }

  /** Only what the queue has released leaves the journal: until then it could be needed again (I5). */
  async function settleReleased(): Promise<void> {
    const now = generationNow();
    if (now !== generation) {
      unreleased.clear();
      passedId = 0;
    }
    generation = now;
    const settling = unreleased.release(queue.progress().released);
    if (settling !== undefined) await journal.settle(settling.ids, settling.positions);
  }

  async function forward(): Promise<Next> {
    added = false;
    await settleReleased();
    if (unreleased.size() >= unreleasedMax) return "idle";
    const behindId = Math.max(unreleased.lastId(), passedId);
    const waiting = journal.read(most.bytes, most.readings, behindId);
    if (waiting.length === 0) return "idle";
    const restMs = committedMs + commitIntervalMs - env.monoMs();
    if (restMs > 0 && !isLarge(sizeOfEntries(waiting), most)) return rest(restMs);
    const ready = decoded(await intact(waiting));
    if (ready.length === 0) return "forwarding";
    const bodies = new Map(ready.map(({ entry, body }) => [entry.id, body]));
    const entries = ready.map(({ entry }) => entry);
    const { open, whole, changed, positions } = planCommit(entries, (lane) => queue.forwarded(lane), queue.held);
    const outcomes = open.map(({ entry: { id, lane, block }, spans }): Outcome => {
      return { lane, spans, block, body: bodies.get(id) as Body };
    });
    if (outcomes.length > 0) {
      committedMs = env.monoMs();
      await commit(entries, outcomes, changed);
      totals.committed(outcomes, env.monoMs());
    }
    // A crash before the settling doubles nothing: the next plan is filtered by what the queue has by then.
    if (generationNow() === generation) {
      if (whole.length > 0) unreleased.add(queue.progress().committed, whole, positions);
      if (whole.length < entries.length) passedId = entries.at(-1)?.id ?? 0;
    }
    await settleReleased();
    failures = 0;
    trouble = null;
    await forgetOld();
    return "forwarding";
  }

  async function commit(
    entries: readonly JournalEntry[],
    outcomes: readonly Outcome[],
    changed: readonly LanePosition[],
  ): Promise<void> {
    let landed = false;
    try {
      await silence.during(() => queue.commit(outcomes, changed));
      landed = true;
    } finally {
      most = nextCommitSize(most, sizeOfEntries(entries), env.monoMs() - committedMs, landed);
    }
  }

  async function forgetOld(): Promise<void> {
    if (env.monoMs() - forgottenMs < forgetEveryMs) return;
    forgottenMs = env.monoMs();
    for (const forgetting of journal.forgettable()) {
      await silence.during(() => queue.forget(forgetting.floor, forgetting.lanes));
      await journal.forget(forgetting);
    }
  }

  /** Lets more come before the next commit. */
  async function rest(forMs: number): Promise<Next> {
    await pause(forMs);
    return "forwarding";
  }

  async function idle(): Promise<Next> {
    await forgetOld();
    if (!added) {
      for (const resolve of idlers) resolve();
      idlers = [];
    }
    await pause(null);
    return "forwarding";
  }

  /** A refusal stops the forwarder for a while, never ingress (I5, I9). */
  async function backOff(): Promise<Next> {
    await pause(backoffMs(failures++, env.random()));
    return "forwarding";
  }

  async function stopped(): Promise<Next> {
    while (!closing) await pause(null).then(() => void (added = false));
    return "stopped";
  }

  const states: Record<Next, () => Promise<Next>> = {
    forwarding: forward,
    idle,
    "backing-off": backOff,
    stopped,
  };

  function afterFailure(error: unknown): Next {
    trouble = error instanceof Fault && error.remedy ? `${error.message}; what now: ${error.remedy}` : messageOf(error);
    if (error instanceof Fault && !error.retryable) {
      log.error({ err: error }, "forwarding has stopped; the journal goes on taking what agents send");
      options.onStopped?.(error);
      return "stopped";
    }
    // A queue closes a moment before its forwarder where the process stops; nobody needs to hear of that.
    const level = error instanceof Fault && error.code === "closed" ? "debug" : "warn";
    log[level]({ err: error, failures }, "the queue cannot take readings now; trying again");
    return "backing-off";
  }

  async function run(): Promise<void> {
    let next: Next = "forwarding";
    while (!closing) {
      state = next;
      next = await states[next]().catch(afterFailure);
    }
    state = "closed";
  }

  function cameBy(): void {
    added = true;
    if (state === "idle") wake();
  }
  journal.onAdded(cameBy);
  queue.onProgress(cameBy);
  const running = run();

  return {
    status() {
      const waits = trouble ?? silence.trouble();
      return { ...totals.read(env.monoMs()), state, trouble: waits, settling: unreleased.waiting() };
    },
    idle: () =>
      new Promise((resolve) => {
        idlers.push(resolve);
        if (state === "idle") wake();
      }),
    async close() {
      closing = true;
      wake();
      await running;
    },
  };
}
