/** One of the two clusters: its queue is opened, and opened again, for as long as the gateway runs. */
import type { Logger } from "pino";
import type { Env, Timer } from "../../../shared/env.ts";
import { messageOf } from "../../../shared/errors.ts";
import type { KafkaQueue } from "../kafka/kafka.ts";
import type { Side } from "./ledger.ts";

export interface SideOptions {
  readonly side: Side;
  readonly env: Env;
  readonly log: Logger;
  /** Waits while the cluster is away. @throws Fault */
  readonly open: (signal: AbortSignal) => Promise<KafkaQueue>;
  /** The queue is there, or has moved on. */
  readonly onChange: () => void;
}

export interface SideKeeper {
  /** Begins to open it; nothing is done before. False where it was begun. */
  start(): boolean;
  /** Undefined while the cluster has not answered since the latest opening. */
  queue(): KafkaQueue | undefined;
  /** Grows with each opening that succeeded. */
  openings(): number;
  /** Why it is not open; null where it is, or is simply awaited. */
  trouble(): string | null;
  /** Since when it has answered, monotonic ms; null where it does not. */
  answersSinceMs(): number | null;
  /** Since when it does not, monotonic ms; null where it does. */
  silentSinceMs(): number | null;
  /** True once nothing opens it again. */
  isClosed(): boolean;
  /** Closes it and begins with the first step of a start: whatever was under way is fenced, and found or not. */
  reopen(): void;
  close(): Promise<void>;
}

const retryMs = 30_000;
const probeEveryMs = 10_000;

/** An opening, from its beginning to its end. */
interface Opening {
  queue?: KafkaQueue;
  readonly ending: AbortController;
  /** Resolves once nothing of it is under way any more, whether it has opened a queue or not. */
  opened: Promise<void>;
}

export function keepSide({ side, env, log, open, onChange }: SideOptions): SideKeeper {
  let current: Opening | undefined;
  let openings = 0;
  let trouble: string | null = null;
  let answersSinceMs: number | null = null;
  let silentSinceMs: number | null = env.monoMs();
  let hasBegun = false;
  let closed = false;
  let timer: Timer | undefined;
  /** The latest of the endings that reopenings wait for. */
  let ending: Promise<unknown> = Promise.resolve();
  let turns = 0;

  function answers(does: boolean): void {
    answersSinceMs = does ? (answersSinceMs ?? env.monoMs()) : null;
    silentSinceMs = does ? null : (silentSinceMs ?? env.monoMs());
  }

  function begin(): void {
    const mine: Opening = { ending: new AbortController(), opened: Promise.resolve() };
    current = mine;
    mine.opened = openOnce(mine);
  }

  async function openOnce(mine: Opening): Promise<void> {
    try {
      const queue = await open(mine.ending.signal);
      if (current !== mine || closed) return await queue.close();
      mine.queue = queue;
      openings++;
      trouble = null;
      answers(true);
      queue.onProgress(() => {
        if (current === mine) onChange();
      });
      log.info({ side, cluster: queue.clusterId }, "the cluster answers");
      timer = env.after(probeEveryMs, () => void probe(mine));
      onChange();
    } catch (error) {
      if (current !== mine || closed) return;
      trouble = messageOf(error);
      log.error({ side, err: error, alarm: true }, "the queue of a cluster cannot be opened; it is tried again");
      timer = env.after(retryMs, begin);
    }
  }

  /** What is idle would never notice that its cluster is gone. */
  async function probe(mine: Opening): Promise<void> {
    const isThere = await mine.queue?.probe().then(
      () => true,
      () => false,
    );
    if (current !== mine || closed) return;
    answers(isThere === true);
    timer = env.after(probeEveryMs, () => void probe(mine));
  }

  /** Two openings at once would fence each other for ever: the next one begins when this one is over. */
  async function end(): Promise<void> {
    timer?.cancel();
    answers(false);
    const last = current;
    current = undefined;
    last?.ending.abort();
    await last?.queue?.close();
    await last?.opened;
  }

  return {
    start() {
      if (hasBegun || closed) return false;
      hasBegun = true;
      begin();
      return true;
    },
    queue: () => current?.queue,
    openings: () => openings,
    trouble: () => trouble,
    answersSinceMs: () => answersSinceMs,
    silentSinceMs: () => silentSinceMs,
    isClosed: () => closed,
    reopen() {
      hasBegun = true;
      const turn = ++turns;
      ending = Promise.all([ending, end()])
        .catch((error: unknown) => log.error({ side, err: error }, "a queue could not be closed"))
        .then(() => {
          if (!closed && turn === turns) begin();
        });
    },
    async close() {
      closed = true;
      await Promise.all([ending, end()]);
    },
  };
}
