/**
 * Ranges: a compact interval set of seqs, as in QUIC's ACK frames (RFC 9000 §19.3). Each range carries the chain
 * before its first and after its last seq; neighbours join only where these agree, so that a position never claims a
 * history that nobody verified. All functions are pure and return sorted, disjoint ranges.
 */
import { type Chain, chainsAgree } from "./chain.ts";

/** A run of seqs, both ends included. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

export interface Range extends Span {
  readonly before: Chain;
  readonly after: Chain;
}

export type Ranges = readonly Range[];

/** True where every seq from `first` to `last` lies in some range, whatever its chains. */
export function covers(ranges: readonly Span[], first: number, last: number): boolean {
  let next = first;
  for (const range of ranges) {
    if (range.first > next) return false;
    if (range.last >= next) next = range.last + 1;
    if (next > last) return true;
  }
  return next > last;
}

/** True where some seq from `first` to `last` lies in a range. */
export function touches(ranges: readonly Span[], first: number, last: number): boolean {
  return ranges.some((range) => range.first <= last && first <= range.last);
}

/** The runs from `first` to `last` that no range holds. */
export function gaps(ranges: readonly Span[], first: number, last: number): Span[] {
  const found: Span[] = [];
  let next = first;
  for (const range of ranges) {
    if (range.last < next) continue;
    if (range.first > last) break;
    if (range.first > next) found.push({ first: next, last: range.first - 1 });
    next = range.last + 1;
  }
  if (next <= last) found.push({ first: next, last });
  return found;
}

/** The ranges with a new one added. `added` must not touch any range: callers add only what `gaps` returned. */
export function add(ranges: Ranges, added: Range): Ranges {
  const at = lowerBound(ranges, added.first);
  const left = ranges[at - 1];
  const right = ranges[at];
  if ((left !== undefined && left.last >= added.first) || (right !== undefined && right.first <= added.last)) {
    throw new Error(`the range ${added.first} to ${added.last} is there already`);
  }
  const joinsLeft = left !== undefined && left.last + 1 === added.first && chainsAgree(left.after, added.before);
  const joinsRight = right !== undefined && added.last + 1 === right.first && chainsAgree(added.after, right.before);
  const joined: Range = {
    first: joinsLeft ? left.first : added.first,
    last: joinsRight ? right.last : added.last,
    before: joinsLeft ? left.before : added.before,
    after: joinsRight ? right.after : added.after,
  };
  return [...ranges.slice(0, joinsLeft ? at - 1 : at), joined, ...ranges.slice(joinsRight ? at + 1 : at)];
}

/** Adds what `added` brings beyond `ranges`; chains inside a range that had to be split are unknown. */
export function union(ranges: Ranges, added: Ranges): Ranges {
  let result = ranges;
  for (const range of added) {
    for (const gap of gaps(result, range.first, range.last)) result = add(result, clip(range, gap));
  }
  return result;
}

/**
 * The same seqs in at most `countMax` ranges, as far as that is possible by closing seams that nobody can judge: those
 * at which a chain is unknown. The end of what was joined so is unknown as well, because it must not vouch for a part
 * that its chain was perhaps not computed over: an agent then takes it for no verdict, never for agreement. Seams that
 * cost the fewest known ends are closed first, and nothing is closed where the ranges are few enough.
 */
export function withinCount(ranges: Ranges, countMax: number): Ranges {
  let result = ranges;
  while (result.length > countMax) {
    const at = cheapestSeam(result);
    if (at === undefined) break;
    const [left, right] = result.slice(at, at + 2) as [Range, Range];
    const joined: Range = { first: left.first, last: right.last, before: left.before, after: null };
    result = [...result.slice(0, at), joined, ...result.slice(at + 2)];
  }
  return result;
}

/** Index of the range left of the unknown seam whose closing loses the fewest known ends; undefined where there is none. */
function cheapestSeam(ranges: Ranges): number | undefined {
  let found: number | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at + 1 < ranges.length; at++) {
    const [left, right] = ranges.slice(at, at + 2) as [Range, Range];
    if (left.last + 1 !== right.first || (left.after !== null && right.before !== null)) continue;
    const cost = Number(left.after !== null) + Number(right.after !== null);
    if (cost < least) [found, least] = [at, cost];
  }
  return found;
}

/** The part of a block or range that lies in `span`: a chain survives only at an end that stays. */
export function clip(range: Range, span: Span): Range {
  return {
    first: span.first,
    last: span.last,
    before: span.first === range.first ? range.before : null,
    after: span.last === range.last ? range.after : null,
  };
}

/**
 * The ranges without `cut`; the chains at its own ends become the ends of what stays. The end of a range that was joined
 * over an unknown seam is null, and so the part before the cut gets none either.
 */
export function subtract(ranges: Ranges, cut: Range): Ranges {
  return ranges.flatMap((range) => {
    if (range.last < cut.first || cut.last < range.first) return [range];
    const kept: Range[] = [];
    if (range.first < cut.first) {
      const after = range.after === null ? null : cut.before;
      kept.push({ first: range.first, last: cut.first - 1, before: range.before, after });
    }
    if (cut.last < range.last) {
      kept.push({ first: cut.last + 1, last: range.last, before: cut.after, after: range.after });
    }
    return kept;
  });
}

/** Sorted, disjoint and joined: the seqs that any of `spans` holds. */
export function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.first - b.first)) {
    const last = result.at(-1);
    if (last !== undefined && span.first <= last.last + 1) {
      result[result.length - 1] = { first: last.first, last: Math.max(last.last, span.last) };
    } else {
      result.push(span);
    }
  }
  return result;
}

/** How many seqs the ranges hold. */
export function sizeOf(ranges: readonly Span[]): number {
  return ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0);
}

/** The highest seq of the ranges, 0 where there is none. */
export function highest(ranges: readonly Span[]): number {
  return ranges[ranges.length - 1]?.last ?? 0;
}

/** The runs that `ranges` hold and `others` lack. */
export function beyond(ranges: readonly Span[], others: readonly Span[]): Span[] {
  return ranges.flatMap((range) => gaps(others, range.first, range.last));
}

/**
 * What is wrong with ranges from outside; undefined where nothing is: sorted, disjoint, within the limits, and no two
 * neighbours that should have been joined.
 */
export function rangesFault(ranges: Ranges): string | undefined {
  let previous: Range | undefined;
  for (const range of ranges) {
    if (!Number.isSafeInteger(range.first) || !Number.isSafeInteger(range.last)) return "a range end is no seq";
    if (range.first < 1 || range.last < range.first) return "a range is empty or starts below 1";
    if (previous !== undefined && range.first <= previous.last) return "the ranges are not sorted and disjoint";
    previous = range;
  }
  return undefined;
}

function lowerBound(ranges: Ranges, first: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as Range).first < first) low = middle + 1;
    else high = middle;
  }
  return low;
}
