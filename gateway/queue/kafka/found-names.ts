/**
 * The names that a scan of the data finds: per lane a set of seqs, and the chains at the ends of blocks. A scan may meet
 * millions of readings of many partitions in any order, so seqs are bits: 2.2 MB for 18 million.
 */
import type { Chain } from "../../../shared/chain.ts";
import { rangesMax } from "../../../shared/limits.ts";
import { add, gaps, type Ranges, type Span, withinCount } from "../../../shared/ranges.ts";
import type { Lane } from "../queue.ts";
import { laneText } from "./position-records.ts";

/** What the headers of a record say it is: one reading, a block of them, or seqs that are lost. */
export interface Name extends Span {
  readonly lane: Lane;
  /** The transaction that wrote it. */
  readonly t: number;
  /** Chains before the first and after the last seq; null where unknown. */
  readonly before: Chain;
  readonly after: Chain;
}

interface Found {
  readonly lane: Lane;
  readonly chunks: Map<number, Uint32Array>;
  readonly befores: Map<number, string>;
  readonly afters: Map<number, string>;
}

/** Seqs of one chunk of bits. */
const chunkSeqs = 4_096;

export function gatherNames() {
  const lanes = new Map<string, Found>();
  let doubled = 0;
  let latest: { lane: Lane; found: Found } | undefined;

  function foundOf(lane: Lane): Found {
    const same =
      latest?.lane.epoch === lane.epoch && latest.lane.stream === lane.stream && latest.lane.agent === lane.agent;
    if (same && latest !== undefined) return latest.found;
    const key = laneText(lane);
    const found = lanes.get(key) ?? { lane, chunks: new Map(), befores: new Map(), afters: new Map() };
    lanes.set(key, found);
    latest = { lane, found };
    return found;
  }

  function mark(found: Found, seq: number): void {
    const at = Math.floor(seq / chunkSeqs);
    let chunk = found.chunks.get(at);
    if (chunk === undefined) found.chunks.set(at, (chunk = new Uint32Array(chunkSeqs / 32)));
    const bit = seq % chunkSeqs;
    const mask = 1 << (bit & 31);
    const word = chunk[bit >>> 5] as number;
    if ((word & mask) !== 0) doubled++;
    chunk[bit >>> 5] = word | mask;
  }

  return {
    note({ lane, first, last, before, after }: Name): void {
      const found = foundOf(lane);
      for (let seq = first; seq <= last; seq++) mark(found, seq);
      if (before !== null) found.befores.set(first, before);
      if (after !== null) found.afters.set(last, after);
    },
    lanes: (): Lane[] => [...lanes.values()].map(({ lane }) => lane),
    /** Seqs that were found more than once: nobody can take that back, but it must be said. */
    doubled: (): number => doubled,
    /** `known` with what was found of the lane beyond it. */
    unite(lane: Lane, known: Ranges): Ranges {
      const found = lanes.get(laneText(lane));
      if (found === undefined) return known;
      let ranges = known;
      for (const run of runsOf(found)) {
        for (const { first, last } of gaps(ranges, run.first, run.last)) {
          const [before, after] = [found.befores.get(first) ?? null, found.afters.get(last) ?? null];
          ranges = add(ranges, { first, last, before, after });
        }
      }
      return withinCount(ranges, rangesMax);
    },
  };
}

export type FoundNames = ReturnType<typeof gatherNames>;

function* runsOf({ chunks }: Found): Generator<Span> {
  let run: { first: number; last: number } | undefined;
  for (const at of [...chunks.keys()].sort((a, b) => a - b)) {
    const chunk = chunks.get(at) as Uint32Array;
    for (let bit = 0; bit < chunkSeqs; bit++) {
      if (((chunk[bit >>> 5] as number) & (1 << (bit & 31))) === 0) continue;
      const seq = at * chunkSeqs + bit;
      if (run !== undefined && run.last + 1 === seq) run.last = seq;
      else {
        if (run !== undefined) yield run;
        run = { first: seq, last: seq };
      }
    }
  }
  if (run !== undefined) yield run;
}
