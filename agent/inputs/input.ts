/**
 * The one contract between inputs and the rest of the agent. An input turns something of the outside world into
 * readings and hands them to the intake; it tells its own source "accepted" only after the returned promise resolved,
 * because only then they are committed with fsync (I1).
 */
import type { Logger } from "pino";
import type { Env } from "../../shared/env.ts";
import type { Reading } from "../../shared/reading.ts";

/** Readings of one request for one stream. */
export interface Portion {
  readonly stream: string;
  readonly readings: readonly Reading[];
}

/** Where an input stands in its source; kept in the store and moved in the transaction of the readings. */
export interface CursorMove {
  /** Names the input and the thing it reads, for instance `tail/<identity>`. At most 512 bytes. */
  readonly key: string;
  /** Whatever the input needs to go on, at most 4 kB; null removes the cursor. */
  readonly value: string | null;
}

/** One transaction: all portions and cursor moves are committed together or not at all. */
export interface Request {
  readonly portions: readonly Portion[];
  readonly cursors?: readonly CursorMove[];
}

export interface Intake {
  /**
   * Commits a request. Resolves after the fsync.
   * @throws Fault `bad-input` (a reading that no store can hold, an unknown stream), `full` (quota or disk under
   * policy `reject`; retryable), `closed` (the agent is stopping; retryable). Nothing is stored where it throws.
   */
  append(request: Request): Promise<void>;
  /** The value of a cursor as last committed; undefined where there is none. */
  cursor(key: string): string | undefined;
  /** All committed cursors whose key starts with `prefix`. */
  cursors(prefix: string): ReadonlyMap<string, string>;
}

/** What an input is given. */
export interface InputContext {
  readonly intake: Intake;
  readonly env: Env;
  readonly log: Logger;
  /** The streams that the configuration declares. */
  readonly streams: readonly string[];
}

/** A running input. */
export interface Input {
  /** Takes nothing more from its source and resolves when everything it had taken is committed or refused. */
  stop(): Promise<void>;
}
