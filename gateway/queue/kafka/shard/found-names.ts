/**
 * The names that a scan of the data finds: per lane, or per dead letter that was replayed, a set of seqs, and per lane the
 * chains at the ends of blocks. A scan may meet
 * millions of readings of many partitions in any order, so seqs are bits: 2.2 MB for 18 million.
 */
import { type Chain, chainsAgree } from "../../../../shared/chain.ts";
import { rangesMax } from "../../../../shared/limits.ts";
import { add, gaps, merged, type Ranges, type Span, withinCount } from "../../../../shared/ranges.ts";
import { letterId } from "../../dead-letters.ts";
import type { Lane } from "../../queue.ts";
import { laneText, replayText } from "../records/position-records.ts";
import type { RecordName } from "../records/record-names.ts";

interface Found {
  readonly lane: Lane;
  /** The dead letter whose replay this is: it fills seqs that its lane counts as settled. */
  readonly replay: string | null;
  readonly chunks: Map<number, Uint32Array>;
  /** The chains at the ends of blocks, by seq; null where a block ends and the chain is unknown. */
  readonly befores: Map<number, Chain>;
  readonly afters: Map<number, Chain>;
  /** Long runs that one record names, such as a loss of years. */
  readonly spans: Span[];
}

/** More seqs than these under one name are no bits: a loss record can name 2^40. */
const bitsMax = 100_000;
/** Seqs that are remembered to be named, and names that are told, of what was found twice. */
const againMax = 10_000;
const namesMax = 100;
/** Seqs of one chunk of bits. */
const chunkSeqs = 4_096;

export function gatherNames() {
  /** By the text of the key of their record in the positions. */
  const all = new Map<string, Found>();
  let doubled = 0;
  /** The first of them. */
  const again: { readonly found: Found; readonly seq: number }[] = [];
  let latest: Found | undefined;

  function foundOf({ lane, replay }: RecordName): Found {
    const { agent, stream, epoch } = lane;
    const known = latest?.lane;
    const isSame = known?.epoch === epoch && known.stream === stream && known.agent === agent;
    if (latest !== undefined && isSame && latest.replay === replay) return latest;
    const key = replay === null ? laneText(lane) : replayText(replay);
    const more = { chunks: new Map(), befores: new Map(), afters: new Map(), spans: [] };
    latest = all.get(key) ?? { lane, replay, ...more };
    all.set(key, latest);
    return latest;
  }

  function mark(found: Found, seq: number): void {
    const at = Math.floor(seq / chunkSeqs);
    let chunk = found.chunks.get(at);
    if (chunk === undefined) found.chunks.set(at, (chunk = new Uint32Array(chunkSeqs / 32)));
    const bit = seq % chunkSeqs;
    const mask = 1 << (bit & 31);
    const word = chunk[bit >>> 5] as number;
    if ((word & mask) !== 0 && doubled++ < againMax) again.push({ found, seq });
    chunk[bit >>> 5] = word | mask;
  }

  return {
    note(name: RecordName): void {
      const { first, last, before, after, opens, closes, replay } = name;
      const found = foundOf(name);
      if (last - first >= bitsMax) found.spans.push({ first, last });
      else for (let seq = first; seq <= last; seq++) mark(found, seq);
      if (opens && replay === null) found.befores.set(first, before);
      if (closes && replay === null) found.afters.set(last, after);
    },
    lanes: (): Lane[] => [...all.values()].flatMap(({ lane, replay }) => (replay === null ? lane : [])),
    /** The dead letters of which a replay was found. */
    replays: (): string[] => [...all.values()].flatMap(({ replay }) => replay ?? []),
    /** Seqs that were found more than once: nobody can take that back, but it must be said. */
    doubled: (): Doubled => ({ seqs: doubled, names: namesOf(again) }),
    /** `known` with what was found beyond it of the lane or replay whose positions have that key. */
    unite(key: string, known: Ranges): Ranges {
      const found = all.get(key);
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

/** Seqs that stand somewhere twice, and names for the first of them. */
export interface Doubled {
  readonly seqs: number;
  readonly names: readonly string[];
}

function namesOf(again: readonly { readonly found: Found; readonly seq: number }[]): string[] {
  const byFound = Map.groupBy(again, ({ found }) => found);
  const names = [...byFound].flatMap(([{ lane }, all]) =>
    merged(all.map(({ seq }) => ({ first: seq, last: seq }))).map((span) => letterId(lane, span)),
  );
  return names.slice(0, namesMax);
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
