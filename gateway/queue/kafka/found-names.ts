/**
 * The names that a scan of the data finds: per lane a set of seqs, and the chains at the ends of blocks. A scan may meet
 * millions of readings of many partitions in any order, so seqs are bits: 2.2 MB for 18 million.
 */
import { type Chain, chainsAgree } from "../../../shared/chain.ts";
import { rangesMax } from "../../../shared/limits.ts";
import { add, gaps, type Ranges, type Span, withinCount } from "../../../shared/ranges.ts";
import type { Lane } from "../queue.ts";
import { laneText } from "./position-records.ts";
import type { RecordName } from "./record-names.ts";

interface Found {
  readonly lane: Lane;
  readonly chunks: Map<number, Uint32Array>;
  /** The chains at the ends of blocks, by seq; null where a block ends and the chain is unknown. */
  readonly befores: Map<number, Chain>;
  readonly afters: Map<number, Chain>;
  /** Long runs that one record names, such as a loss of years. */
  readonly spans: Span[];
}

/** More seqs than these under one name are no bits: a loss record can name 2^40. */
const bitsMax = 100_000;
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
    const found = lanes.get(key) ?? { lane, chunks: new Map(), befores: new Map(), afters: new Map(), spans: [] };
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
    note({ lane, first, last, before, after, opens, closes }: RecordName): void {
      const found = foundOf(lane);
      if (last - first >= bitsMax) found.spans.push({ first, last });
      else for (let seq = first; seq <= last; seq++) mark(found, seq);
      if (opens) found.befores.set(first, before);
      if (closes) found.afters.set(last, after);
    },
    lanes: (): Lane[] => [...lanes.values()].map(({ lane }) => lane),
    /** Seqs that were found more than once: nobody can take that back, but it must be said. */
    doubled: (): number => doubled,
    /** `known` with what was found of the lane beyond it. */
    unite(lane: Lane, known: Ranges): Ranges {
      const found = lanes.get(laneText(lane));
      if (found === undefined) return known;
      let ranges = known;
      for (const run of [...runsOf(found), ...found.spans]) {
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

/** Runs of seqs; a seam that no chain vouches for parts them, since what lies on its two sides may be two histories. */
function* runsOf(found: Found): Generator<Span> {
  const { chunks } = found;
  let run: { first: number; last: number } | undefined;
  for (const at of [...chunks.keys()].sort((a, b) => a - b)) {
    const chunk = chunks.get(at) as Uint32Array;
    for (let bit = 0; bit < chunkSeqs; bit++) {
      if (((chunk[bit >>> 5] as number) & (1 << (bit & 31))) === 0) continue;
      const seq = at * chunkSeqs + bit;
      if (run !== undefined && run.last + 1 === seq && !isParted(found, seq)) run.last = seq;
      else {
        if (run !== undefined) yield run;
        run = { first: seq, last: seq };
      }
    }
  }
  if (run !== undefined) yield run;
}

/** True where blocks meet before `seq` and do not share a known chain. */
function isParted({ befores, afters }: Found, seq: number): boolean {
  const [before, after] = [befores.get(seq), afters.get(seq - 1)];
  if (before === undefined && after === undefined) return false;
  return !chainsAgree(before ?? null, after ?? null);
}
