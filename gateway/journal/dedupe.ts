/**
 * Whether a journal takes a block (PROTOCOL.md §5, rules 4 to 7). Pure: the engines differ in where a position is kept,
 * never in how they judge.
 */
import { type Block, codecLoss } from "../../shared/block/block.ts";
import type { Chain } from "../../shared/chain.ts";
import { rangesMax } from "../../shared/limits.ts";
import { add, clip, gaps, type Range, type Ranges, type Span, withinCount } from "../../shared/ranges.ts";
import type { Refusal } from "./journal.ts";
import { fragmentedRetryMs, refusal } from "./refusals.ts";

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
  const block = rangeOf(head);
  if (contradicts(journaled, block) || contradicts(forwarded, block)) return { kind: "conflict" };
  const fill = gaps(journaled, block.first, block.last);
  const [gap] = fill;
  if (gap === undefined) return { kind: "held" };
  if (!isLoss && (gap.first !== block.first || gap.last !== block.last)) return { kind: "partly" };
  const filled = fill.reduce((sum, span) => add(sum, clip(block, span)), journaled);
  const ranges = withinCount(filled, rangesMax);
  return opensTooMany(journaled, ranges) ? { kind: "fragmented" } : { kind: "taken", fill, ranges };
}

export interface TakenBlocks {
  /** What is new, to be stored: whole blocks, and loss records trimmed to gaps. */
  readonly pieces: readonly Block[];
  /** The journaled ranges after them. */
  readonly journaled: Ranges;
  readonly refusals: readonly Refusal[];
}

/** Judges the blocks of a batch one after the other (I4). */
export function judgeBlocks(journaled: Ranges, forwarded: Ranges, blocks: readonly Block[]): TakenBlocks {
  const refusals: Refusal[] = [];
  const pieces: Block[] = [];
  let ranges = journaled;
  for (const block of blocks) {
    const verdict = judge(ranges, forwarded, block, block.codec === codecLoss);
    if (verdict.kind === "conflict") refusals.push(refusal("conflict", block.first));
    if (verdict.kind === "fragmented") refusals.push(refusal("fragmented", block.first, fragmentedRetryMs));
    if (verdict.kind !== "taken") continue;
    ranges = verdict.ranges;
    for (const span of verdict.fill) pieces.push(piece(block, span));
  }
  return { pieces, journaled: ranges, refusals };
}

/** The seqs of a block with its chains at both ends. */
export function rangeOf({ first, count, before, after }: Candidate): Range {
  return { first, last: first + count - 1, before, after };
}

/** The part of a block that fills `span`: all of it, or a loss record trimmed to a gap. */
function piece(block: Block, span: Span): Block {
  const count = span.last - span.first + 1;
  if (count === block.count) return block;
  const { before, after } = clip(rangeOf(block), span);
  return { ...block, first: span.first, count, before, after };
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
