/**
 * What goes into the next batch: whole pending blocks of one lane and one clock segment, neighbours, oldest first, as
 * many as fit. Neighbours only, because a batch counts as answered when all from its first to its last seq is journaled:
 * one that spanned a block which rests would never be. Pure: it walks rows and asks what is known of them.
 */
import { lastOf } from "../../shared/block/block.ts";
import { batchBlocksMax, batchHeadBytesMax, blockHeadBytesMax } from "../../shared/limits.ts";
import { type Span, touches } from "../../shared/ranges.ts";
import { type BlockRow, pending } from "../store/blocks.ts";

export interface Cut {
  readonly rows: readonly BlockRow[];
  /** First seq that the next cut has to look at. */
  readonly resume: number;
  /** True where the walk came to the end of the rows: nothing is left behind `resume`. */
  readonly isEnd: boolean;
}

export interface CutLimits {
  readonly batchBytesMax: number;
  /** Seqs covered by ranges without a verdict: they wait until the epoch closes. */
  readonly waiting: readonly Span[];
  /** Blocks that are under way, or were refused and rest. */
  readonly skip: (row: BlockRow) => boolean;
}

export function cut(rows: readonly BlockRow[], limits: CutLimits): Cut {
  const chosen: BlockRow[] = [];
  let room = limits.batchBytesMax - (batchHeadBytesMax - batchBlocksMax * blockHeadBytesMax);
  for (const row of rows) {
    const eligible = row.state === pending && !limits.skip(row) && !touches(limits.waiting, row.first, lastOf(row));
    if (!eligible) continue;
    const head = chosen[0];
    const previous = chosen[chosen.length - 1];
    const isApart = previous !== undefined && lastOf(previous) + 1 !== row.first;
    const needed = row.sizeBytes + blockHeadBytesMax;
    // A loss record has no times to correct, so it travels with blocks of any segment.
    const otherClock =
      head !== undefined && row.codec !== 0 && clockOf(chosen) !== null && row.segment !== clockOf(chosen);
    if (chosen.length >= batchBlocksMax || isApart || otherClock || (needed > room && chosen.length > 0)) {
      return { rows: chosen, resume: row.first, isEnd: false };
    }
    chosen.push(row);
    room -= needed;
  }
  const tail = rows[rows.length - 1];
  return { rows: chosen, resume: tail === undefined ? 1 : lastOf(tail) + 1, isEnd: true };
}

/** The clock segment of a batch; null where it holds only loss records. */
export function clockOf(rows: readonly BlockRow[]): number | null {
  return rows.find((row) => row.codec !== 0)?.segment ?? null;
}
