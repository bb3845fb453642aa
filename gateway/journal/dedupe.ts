/**
 * Whether a journal takes a block (PROTOCOL.md §5, rules 4 to 7). Pure: the engines differ in where a position is kept,
 * never in how they judge.
 */
import type { Chain } from "../../shared/chain.ts";
import { rangesMax } from "../../shared/limits.ts";
import { add, clip, gaps, type Range, type Ranges, type Span, withinCount } from "../../shared/ranges.ts";

/** What of a block's head the judgement needs. */
export interface Candidate {
  readonly first: number;
  readonly count: number;
  readonly before: Chain;
  readonly after: Chain;
}

export type Verdict =
  /** New: `fill` are the seqs to store, `ranges` the journaled ranges after it. */
  | { readonly kind: "taken"; readonly fill: readonly Span[]; readonly ranges: Ranges }
  /** All of it is journaled already: nothing changes. */
  | { readonly kind: "held" }
  /** Readings that are journaled in part: the POSITION tells the agent where to cut. */
  | { readonly kind: "partly" }
  /** Another history under the same name. */
  | { readonly kind: "conflict" }
  /** It would make more ranges than a position may have (I8). */
  | { readonly kind: "fragmented" };

/**
 * Judges one block against the position of its lane (I4).
 * @param journaled the lane's journaled ranges
 * @param forwarded the lane's forwarded ranges, whose chains count as known too
 * @param isLoss a loss record fills what gaps remain; a block of readings is taken whole or not at all
 */
export function judge(journaled: Ranges, forwarded: Ranges, head: Candidate, isLoss: boolean): Verdict {
  const block: Range = {
    first: head.first,
    last: head.first + head.count - 1,
    before: head.before,
    after: head.after,
  };
  if (contradicts(journaled, block) || contradicts(forwarded, block)) return { kind: "conflict" };
  const fill = gaps(journaled, block.first, block.last);
  const [gap] = fill;
  if (gap === undefined) return { kind: "held" };
  if (!isLoss && (gap.first !== block.first || gap.last !== block.last)) return { kind: "partly" };
  const filled = fill.reduce((sum, span) => add(sum, clip(block, span)), journaled);
  const ranges = withinCount(filled, rangesMax);
  return opensTooMany(journaled, ranges) ? { kind: "fragmented" } : { kind: "taken", fill, ranges };
}

/**
 * True where a position would get more ranges than it may have (I8). Damage can cut one into more than that: what makes
 * no more of them must still come in, or its holes could never be filled one after the other.
 */
export function opensTooMany(before: Ranges, after: Ranges): boolean {
  return after.length > Math.max(rangesMax, before.length);
}

/** True where a known chain at one of the block's two ends differs from the block's own. */
function contradicts(ranges: Ranges, block: Range): boolean {
  return ranges.some(
    (range) => differs(block.first - 1, block.before, range) || differs(block.last, block.after, range),
  );
}

function differs(seq: number, chain: Chain, range: Range): boolean {
  if (chain === null) return false;
  return (
    (range.first - 1 === seq && range.before !== null && range.before !== chain) ||
    (range.last === seq && range.after !== null && range.after !== chain)
  );
}
