/**
 * The names that were read on a standby and are not released yet: a bit for each seq, since the partitions of one lane
 * are read one after the other. What is released is known as ranges, and needs no bits (I8). Pure.
 */
import { covers, gaps, type Ranges, type Span, union } from "../../../../shared/ranges.ts";
import { laneText, replayText } from "../records/position-records.ts";
import type { RecordName } from "../records/record-names.ts";

/** What of a lane, or of a replay, is to be there; by the text of the key of its record in the positions. */
export interface Claim {
  readonly key: string;
  readonly ranges: Ranges;
}

interface Seen {
  /** Nobody asks for these again. */
  released: Ranges;
  readonly chunks: Map<number, Uint32Array>;
  /** Long runs that one record names, such as a loss of years. */
  spans: Span[];
}

const wordSeqs = 32;
const chunkSeqs = 128 * wordSeqs;
const fullWord = 0xffff_ffff;
/** More seqs than these under one name are no bits: a loss record can name 2^40. */
const bitsMax = 100_000;

export function seenNames() {
  const all = new Map<string, Seen>();
  let latest: { readonly name: RecordName; readonly seen: Seen } | undefined;

  function seenOf(key: string): Seen {
    const seen = all.get(key) ?? { released: [], chunks: new Map(), spans: [] };
    all.set(key, seen);
    return seen;
  }

  function seenOfName(name: RecordName): Seen {
    // Neighbours mostly are of one lane, and share its object.
    if (latest?.name.lane === name.lane && latest.name.replay === name.replay) return latest.seen;
    const seen = seenOf(name.replay === null ? laneText(name.lane) : replayText(name.replay));
    latest = { name, seen };
    return seen;
  }

  return {
    /** @returns how many of its seqs were read before and are not released */
    note(name: RecordName): number {
      const seen = seenOfName(name);
      const { first, last } = name;
      let again = 0;
      for (const gap of gaps(seen.released, first, last)) {
        if (last - first >= bitsMax) seen.spans = [...seen.spans, gap].sort((a, b) => a.first - b.first);
        else for (let seq = gap.first; seq <= gap.last; seq++) if (mark(seen, seq)) again++;
      }
      return again;
    },
    /** True where all that is not released was read. */
    holds(claims: Iterable<Claim>): boolean {
      for (const { key, ranges } of claims) {
        const seen = seenOf(key);
        if (ranges === seen.released) continue;
        for (const { first, last } of ranges) {
          if (!gaps(seen.released, first, last).every((gap) => isSeen(seen, gap))) return false;
        }
      }
      return true;
    },
    /** Nobody asks for these again, except in the same words. */
    release(claims: Iterable<Claim>): void {
      for (const { key, ranges } of claims) {
        const seen = seenOf(key);
        seen.released = seen.released.length === 0 ? ranges : union(seen.released, ranges);
        for (const at of seen.chunks.keys()) if (!hasMore(seen, at)) seen.chunks.delete(at);
        seen.spans = seen.spans.filter(({ first, last }) => !covers(seen.released, first, last));
      }
    },
    /** Lanes that a floor has taken the place of. */
    forget(keys: Iterable<string>): void {
      for (const key of keys) all.delete(key);
      latest = undefined;
    },
    /** The standby was made anew: nothing is there that was. */
    clear(): void {
      for (const seen of all.values()) {
        seen.chunks.clear();
        seen.spans = [];
      }
    },
    /** How much is held: for tests of the bound. */
    chunks: (): number => [...all.values()].reduce((sum, { chunks }) => sum + chunks.size, 0),
  };
}

export type SeenNames = ReturnType<typeof seenNames>;

/** @returns true where the seq was there already */
function mark({ chunks }: Seen, seq: number): boolean {
  const at = Math.floor(seq / chunkSeqs);
  let chunk = chunks.get(at);
  if (chunk === undefined) chunks.set(at, (chunk = new Uint32Array(chunkSeqs / wordSeqs)));
  const wasMarked = isMarked(chunk, seq);
  const word = Math.floor((seq % chunkSeqs) / wordSeqs);
  chunk[word] = (chunk[word] as number) | (1 << (seq % wordSeqs));
  return wasMarked;
}

function isMarked(chunk: Uint32Array, seq: number): boolean {
  const word = chunk[Math.floor((seq % chunkSeqs) / wordSeqs)] as number;
  return (word & (1 << (seq % wordSeqs))) !== 0;
}

function isSeen(seen: Seen, { first, last }: Span): boolean {
  for (const part of gaps(seen.spans, first, last)) {
    for (let seq = part.first; seq <= part.last; ) {
      const chunk = seen.chunks.get(Math.floor(seq / chunkSeqs));
      if (chunk === undefined) return false;
      // Millions may wait, and most of them lie in words that are full.
      if (seq % wordSeqs === 0 && seq + wordSeqs - 1 <= part.last) {
        if (chunk[Math.floor((seq % chunkSeqs) / wordSeqs)] !== fullWord) return false;
        seq += wordSeqs;
      } else if (isMarked(chunk, seq)) seq++;
      else return false;
    }
  }
  return true;
}

/** True where a chunk marks a seq that is not released. */
function hasMore({ released, chunks }: Seen, at: number): boolean {
  const chunk = chunks.get(at) as Uint32Array;
  for (const { first, last } of gaps(released, at * chunkSeqs, (at + 1) * chunkSeqs - 1)) {
    for (let seq = first; seq <= last; seq++) if (isMarked(chunk, seq)) return true;
  }
  return false;
}
