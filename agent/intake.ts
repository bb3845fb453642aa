/**
 * The intake: gathers what inputs hand over into few transactions. A commit costs an fsync and whole pages of flash, so
 * a small request waits a moment for company; a large one, which pays for its pages alone, goes at once.
 */
import { gatherColumns } from "../shared/block/gather.ts";
import type { Env, Timer } from "../shared/env.ts";
import { Fault, messageOf } from "../shared/errors.ts";
import { type Reading, readingFault } from "../shared/reading.ts";
import type { CursorMove, Intake, Request } from "./inputs/input.ts";
import type { Store, StreamPart } from "./store/store.ts";

/** From this many readings on, a commit costs less than 1 kB of flash a reading (measured) and waits no longer. */
export const commitReadings = 50;
/** Readings that may wait for their commit; more is refused, so that a slow disk cannot fill memory (I8). */
const waitingReadingsMax = 400_000;

export interface IntakeOptions {
  readonly streams: readonly string[];
  /** Small requests are committed at most once in this time, ms: it bounds what they cost in flash. */
  readonly commitIntervalMs: number;
  /** The store cannot go on: told once it failed for another reason than a bad request or no room. */
  onFailed(error: unknown): void;
}

interface Waiting {
  readonly request: Request;
  readonly readings: number;
  resolve(): void;
  reject(error: unknown): void;
}

export interface RunningIntake extends Intake {
  /** Readings accepted since the start. */
  accepted(): number;
  /** Calls `listener` after every commit. */
  onCommitted(listener: () => void): void;
  /** Commits what waits and refuses what comes later. */
  stop(): void;
}

export function startIntake(store: Store, env: Env, options: IntakeOptions): RunningIntake {
  let waiting: Waiting[] = [];
  let readings = 0;
  let accepted = 0;
  let stopped = false;
  let timer: Timer | undefined;
  let hurried = false;
  let committedMs = Number.NEGATIVE_INFINITY;
  const listeners: (() => void)[] = [];

  function check(request: Request): number {
    let size = 0;
    for (const { stream, readings: portion } of request.portions) {
      if (!options.streams.includes(stream)) {
        throw new Fault("bad-input", {
          what: `there is no stream "${stream}"`,
          why: `this agent has ${options.streams.join(", ")}`,
          remedy: "use one of these or add it to the configuration",
        });
      }
      for (let i = 0; i < portion.length; i++) {
        const fault = readingFault(portion[i] as Reading);
        if (fault !== undefined) {
          throw new Fault("bad-input", { what: `reading ${i + 1} for stream "${stream}" is refused`, why: fault });
        }
      }
      size += portion.length;
    }
    return size;
  }

  /** A request after a quiet time is committed at once; in a busy one small requests share a commit in each interval. */
  function wait(): Timer {
    const waitMs = committedMs + options.commitIntervalMs - env.monoMs();
    return waitMs > 0 ? env.after(waitMs, flush) : env.soon(flush);
  }

  function flush(): void {
    timer?.cancel();
    timer = undefined;
    hurried = false;
    const group = waiting;
    waiting = [];
    readings = 0;
    if (group.length === 0) return;
    committedMs = env.monoMs();
    if (!commit(group) && group.length > 1) {
      // One request without room must not fail the others: each is tried alone, in order.
      for (const one of group) commit([one]);
    }
    for (const listener of listeners) listener();
  }

  /** Commits a group; false where it failed and its members were not told because they can be tried alone. */
  function commit(group: readonly Waiting[]): boolean {
    try {
      const parts = partsOf(group);
      const moves: CursorMove[] = group.flatMap((one) => one.request.cursors ?? []);
      if (parts.length > 0 || moves.length > 0) store.append(parts, moves);
    } catch (error) {
      const isFault = error instanceof Fault;
      if (isFault && group.length > 1) return false;
      for (const one of group) one.reject(isFault ? error : unavailable(error));
      if (!isFault) options.onFailed(error);
      return true;
    }
    for (const one of group) {
      accepted += one.readings;
      one.resolve();
    }
    return true;
  }

  return {
    async append(request) {
      if (stopped) throw closed();
      const size = check(request);
      if (readings + size > waitingReadingsMax && readings > 0) {
        throw new Fault("busy", {
          what: "too many readings wait for the disk",
          remedy: "send again in a moment",
          retryable: true,
        });
      }
      await new Promise<void>((resolve, reject) => {
        waiting.push({ request, readings: size, resolve, reject });
        readings += size;
        if (readings >= commitReadings && !hurried) {
          hurried = true;
          timer?.cancel();
          timer = env.soon(flush);
        } else {
          timer ??= wait();
        }
      });
    },
    cursor: store.cursor,
    cursors: store.cursors,
    accepted: () => accepted,
    onCommitted: (listener) => void listeners.push(listener),
    stop() {
      stopped = true;
      flush();
    },
  };
}

function unavailable(cause: unknown): Fault {
  return new Fault("unavailable", {
    what: "the store cannot be written",
    why: messageOf(cause),
    remedy: "send again in a moment: the agent opens the store anew by itself",
    retryable: true,
    cause,
  });
}

function closed(): Fault {
  return new Fault("closed", {
    what: "the agent is stopping",
    remedy: "send again when it is back",
    retryable: true,
  });
}

/** The readings of a group in one part per stream, in the order in which they came. */
function partsOf(group: readonly Waiting[]): StreamPart[] {
  const byStream = new Map<string, (readonly Reading[])[]>();
  for (const { request } of group) {
    for (const { stream, readings } of request.portions) {
      if (readings.length === 0) continue;
      const lists = byStream.get(stream);
      if (lists === undefined) byStream.set(stream, [readings]);
      else lists.push(readings);
    }
  }
  return [...byStream].map(([stream, lists]) => ({
    stream,
    columns: gatherColumns(lists.length === 1 ? (lists[0] as readonly Reading[]) : lists.flat()),
  }));
}
