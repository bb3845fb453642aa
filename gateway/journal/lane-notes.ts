/** What every engine of the journal knows of a lane beside its name, and what follows from it. Pure. */
import type { AskEntry } from "../../shared/protocol/messages.ts";
import { beyond, covers, merged, type Ranges, type Span, union } from "../../shared/ranges.ts";

export interface LaneNotes {
  readonly journaled: Ranges;
  readonly forwarded: Ranges;
  /** Highest seq that an agent said it has given out. */
  readonly newest: number;
  /** Last seq as the successor's record names it; null while the epoch may still grow. */
  readonly last: number | null;
  readonly givenUp: boolean;
  /** Seqs that the agent reported as gone, and seqs that a lost store took along; sorted, disjoint. */
  readonly gone: readonly Span[];
  readonly lost: readonly Span[];
}

/** Reported spans of a lane that are kept (I8); what falls behind is reported again as soon as others are filled. */
export const reportedSpansMax = 64;

export const noNotes: LaneNotes = {
  journaled: [],
  forwarded: [],
  newest: 0,
  last: null,
  givenUp: false,
  gone: [],
  lost: [],
};

/** The highest seq that anybody has told of. */
export function knownEnd({ newest, last, journaled }: LaneNotes): number {
  return Math.max(newest, last ?? 0, journaled.at(-1)?.last ?? 0);
}

/** True where the epoch is full and forwarded; epochs given up count as full. */
export function isFull(notes: LaneNotes): boolean {
  if (notes.givenUp) return beyond(notes.journaled, notes.forwarded).length === 0;
  return notes.last !== null && covers(notes.forwarded, 1, knownEnd(notes));
}

/** With what an ASK tells: how far the lane goes, and which seqs its agent cannot send any more. The same where that is known. */
export function withAsk<T extends LaneNotes>(notes: T, entry: Pick<AskEntry, "newest" | "gone">): T {
  const missing = beyond(entry.gone, notes.journaled);
  const newest = Math.max(notes.newest, entry.newest);
  const isMore = beyond(missing, notes.gone).length > 0;
  if (newest === notes.newest && !isMore) return notes;
  const gone = isMore ? merged([...notes.gone, ...missing]).slice(0, reportedSpansMax) : notes.gone;
  return { ...notes, newest, gone };
}

/** Under one journal id what is forwarded only grows, whatever a queue tells that is seen by a zombie. */
export function grownForwarded(known: Ranges, told: Ranges): Ranges {
  return beyond(known, told).length === 0 ? told : union(told, known);
}
