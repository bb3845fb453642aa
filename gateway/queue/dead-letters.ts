/** Dead letters: how each is named for ever, and what a queue that holds them can do with one. */
import type { Block } from "../../shared/block/block.ts";
import type { Clock } from "../../shared/protocol/messages.ts";
import type { Span } from "../../shared/ranges.ts";
import { isIdentifier } from "../../shared/reading.ts";
import type { Lane, Outcome } from "./queue.ts";

/** A block, or some of its seqs, that could not be written to the queue otherwise. */
export interface Letter {
  /** Its name: the seqs that it settles. Every seq ends in one outcome, so no other dead letter can have it. */
  readonly id: string;
  readonly lane: Lane;
  readonly span: Span;
  readonly reason: string;
  readonly clock: Clock;
  readonly block: Block;
}

/** Where a dead letter stands: partition and offset in Kafka, segment and byte in the file queue. */
export type LetterPlace = readonly [part: number, offset: number];

/** `settling`: a replay is in the queue, and could still be lost there. */
export type LetterState = "open" | "settling" | "replayed";

/** A dead letter as it is met by whoever lists them. */
export interface FoundLetter {
  readonly letter: Letter;
  readonly place: LetterPlace;
  /** When it was written, ms since 1970; null where the queue does not know. */
  readonly writtenMs: number | null;
  readonly state: LetterState;
}

/** What a queue offers that can replay its dead letters. */
export interface DeadLetters {
  /** The dead letter of that id at a place. @throws Fault `usage` where another thing or nothing stands there */
  find(id: string, place: LetterPlace): Promise<Letter>;
  /**
   * Writes a dead letter's seqs with what they hold, in one step with the note that it was replayed.
   * @throws Fault `usage` where that has happened before; `too-large` where it still is no more than a dead letter;
   * `unavailable` (retryable): it has happened or not, and the same call finds out
   */
  replay(letter: Letter, body: Outcome["body"]): Promise<void>;
  /** Dead letters that were written since the opening, those included that were readings until they proved too large. */
  written(): number;
  /** Resolves once nothing can take a replay back. @throws Fault `unavailable` (retryable) where the cluster lost it */
  released(id: string): Promise<void>;
}

/** `agent/stream/epoch/first-last`: none of these can hold a slash. */
export function letterId({ agent, stream, epoch }: Lane, { first, last }: Span): string {
  return `${agent}/${stream}/${epoch}/${first}-${last}`;
}

/** The seqs that an id names; undefined for what is none. */
export function spanOfId(id: string): Span | undefined {
  const [agent = "", stream = "", epoch = "", seqs = "", ...more] = id.split("/");
  const [, first, last] = /^([1-9]\d{0,15})-([1-9]\d{0,15})$/.exec(seqs) ?? [];
  const span = { first: Number(first), last: Number(last) };
  const isNamed = isIdentifier(agent) && isIdentifier(stream) && /^[0-9a-f]{16}$/.test(epoch);
  if (!isNamed || more.length > 0 || first === undefined || span.last < span.first) return undefined;
  return Number.isSafeInteger(span.last) ? span : undefined;
}
