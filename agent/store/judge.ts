/**
 * What a POSITION means for a lane (PROTOCOL §6): pure, so that the explorer's histories can be replayed against it.
 * Exactly once hangs on these few lines; each rule names the history that goes wrong without it.
 */
import type { Chain } from "../../shared/chain.ts";
import type { Range, Ranges, Span } from "../../shared/ranges.ts";
import { gaps } from "../../shared/ranges.ts";

/** `agrees`: an own edge with the same chain. `differs`: another chain, or in the open epoch no edge at all. */
export type Verdict = "agrees" | "differs" | "none";

export interface OwnEdges {
  /** The chain at an own edge; null where it is unknown there, undefined where `seq` is no edge. */
  chainAt(seq: number): Chain | undefined;
}

export interface Judgement {
  readonly fork: boolean;
  /** Ranges that count as journaled and forwarded. */
  readonly journaled: Ranges;
  readonly forwarded: Ranges;
  /** Forwarded ranges whose end agrees: what they cover is this store's own for ever. */
  readonly verified: Ranges;
  /** Seqs that the position covers without a verdict: neither resent nor delivered until the epoch closes. */
  readonly waiting: readonly Span[];
}

/** The verdict on the end of one range. */
export function verdict(range: Range, edges: OwnEdges, open: boolean): Verdict {
  // An unknown chain proves nothing in either direction: taking it for a match let a fork pass, taking it for a
  // mismatch made forks of loss records that an operator had declared.
  if (range.after === null) return "none";
  const own = edges.chainAt(range.last);
  if (own === undefined) return open ? "differs" : "none";
  if (own === null) return open ? "differs" : "none";
  return own === range.after ? "agrees" : "differs";
}

/**
 * Judges a position as a whole. Every end of it is looked at anew: a range that an earlier position verified may have
 * been written by the other copy of a forked process since, after the journal was lost.
 */
export function judge(journaled: Ranges, forwarded: Ranges, edges: OwnEdges, open: boolean): Judgement {
  const verdicts = journaled.map((range) => verdict(range, edges, open));
  const verified = forwarded.filter((range) => verdict(range, edges, open) === "agrees");
  const counted = open ? journaled.filter((_, i) => verdicts[i] === "agrees") : journaled;
  const waiting = open
    ? journaled.filter((_, i) => verdicts[i] === "none").flatMap((range) => uncovered(counted, range))
    : [];
  return {
    fork: verdicts.includes("differs"),
    journaled: counted,
    forwarded: open ? verified : forwarded,
    verified,
    waiting,
  };
}

function uncovered(ranges: Ranges, span: Span): Span[] {
  return gaps(ranges, span.first, span.last);
}
