/**
 * Group commit: what arrives in one turn of the loop becomes one transaction with one fsync, and nobody is answered
 * before it (I3). Each piece of work is atomic: where a group fails, its members are tried one by one, so that one
 * agent's failure stays its own.
 */
import type { Env } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";

/** What may wait for the next commit; beyond it the answer is `busy` (I8). */
const waitingWorksMax = 1024;
const waitingBytesMax = 64 * 1024 * 1024;
/** Largest transaction: its pages stand in the WAL and block the loop while they are written. */
const groupBytesMax = 8 * 1024 * 1024;

export interface Transactions {
  begin(): void;
  /** Durable when it returns. */
  commit(): void;
  rollback(): void;
  /**
   * Told of each failure, after the roll-back. True: it was repaired and the same works can be tried once more.
   * @throws Fault where the journal cannot go on
   */
  repaired(error: unknown): boolean;
}

interface Work {
  readonly sizeBytes: number;
  readonly act: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupCommit {
  /**
   * Runs `act` in the next transaction; resolves with its value once that is durable. What `act` throws rolls it back.
   * @throws Fault `busy` where too much waits already, `closed` after `close`
   */
  run<T>(sizeBytes: number, act: () => T): Promise<T>;
  /** The same without the limits: for the forwarder and the operator, who have one call in flight each. */
  runAnyway<T>(act: () => T): Promise<T>;
  /** Commits what waits and refuses what comes later. */
  close(): void;
}

export function openGroupCommit(env: Env, transactions: Transactions): GroupCommit {
  let waiting: Work[] = [];
  let waitingBytes = 0;
  let scheduled = false;
  let ended: Fault | undefined;

  function schedule(): void {
    if (scheduled || waiting.length === 0) return;
    scheduled = true;
    env.soon(() => {
      scheduled = false;
      settleGroup(nextGroup());
      schedule();
    });
  }

  function nextGroup(): Work[] {
    let bytes = 0;
    let size = 0;
    while (size < waiting.length) {
      bytes += (waiting[size] as Work).sizeBytes;
      if (size > 0 && bytes > groupBytesMax) break;
      size++;
    }
    const group = waiting.slice(0, size);
    waiting = waiting.slice(size);
    for (const work of group) waitingBytes -= work.sizeBytes;
    return group;
  }

  function attempt(group: readonly Work[]): unknown[] {
    try {
      transactions.begin();
      const values = group.map((work) => work.act());
      transactions.commit();
      return values;
    } catch (error) {
      transactions.rollback();
      throw error;
    }
  }

  function attemptTwice(group: readonly Work[]): unknown[] {
    try {
      return attempt(group);
    } catch (error) {
      if (!transactions.repaired(error)) throw error;
      return attempt(group);
    }
  }

  function settleGroup(group: readonly Work[]): void {
    let values: unknown[];
    try {
      values = attemptTwice(group);
    } catch (error) {
      const [only] = group;
      if (group.length === 1) only?.reject(error);
      else for (const work of group) settleGroup([work]);
      return;
    }
    group.forEach((work, at) => {
      work.resolve(values[at] as never);
    });
  }

  function enqueue<T>(sizeBytes: number, act: () => T): Promise<T> {
    if (ended !== undefined) return Promise.reject(ended);
    return new Promise<T>((resolve, reject) => {
      waiting.push({ sizeBytes, act, resolve, reject });
      waitingBytes += sizeBytes;
      schedule();
    });
  }

  return {
    run(sizeBytes, act) {
      if (waiting.length < waitingWorksMax && waitingBytes + sizeBytes <= waitingBytesMax) {
        return enqueue(sizeBytes, act);
      }
      return Promise.reject(new Fault("busy", { what: "the journal is busy", retryable: true }));
    },
    runAnyway: (act) => enqueue(0, act),
    close() {
      while (waiting.length > 0) settleGroup(nextGroup());
      ended = new Fault("closed", { what: "the journal is closed" });
    },
  };
}
