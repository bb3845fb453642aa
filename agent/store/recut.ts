/**
 * Cutting a block of a closed epoch at the ends of ranges that cover it in part. Copies and restarts merge differently,
 * so a journal may hold a piece of what is one block here; the rest must travel as a block of its own (PROTOCOL §6).
 */

import { lastOf } from "../../shared/block/block.ts";
import { encodeBlocks } from "../../shared/block/encode.ts";
import { sliceColumns } from "../../shared/block/gather.ts";
import type { Ranges } from "../../shared/ranges.ts";
import { type BlockRow, pending } from "./blocks.ts";
import type { Core } from "./core.ts";
import { readColumns } from "./damage.ts";
import { count, type Lane } from "./lanes.ts";

/** The seqs after which `row` must be cut so that each piece is covered wholly or not at all, and its last seq. */
export function cutsOf(row: { first: number; count: number }, ranges: Ranges): number[] {
  const last = lastOf(row);
  const ends = ranges.flatMap((range) => [range.first - 1, range.last]);
  return [...new Set(ends)]
    .filter((seq) => seq >= row.first && seq < last)
    .sort((a, b) => a - b)
    .concat(last);
}

/** Replaces the row by its pieces, all pending. Must run inside `transact`. */
export function recut(core: Core, lane: Lane, row: BlockRow, ranges: Ranges): void {
  const columns = readColumns(core, lane, row);
  if (columns === undefined) return;
  core.blocks.remove(row);
  count(lane.tallies[pending], row, -1);
  let from = row.first;
  for (const end of cutsOf(row, ranges)) {
    let first = from;
    for (const piece of encodeBlocks(sliceColumns(columns, from - row.first, end - row.first + 1))) {
      const last = first + piece.count - 1;
      core.blocks.insert(
        {
          run: row.run,
          stream: row.stream,
          first,
          count: piece.count,
          state: pending,
          codec: piece.codec,
          rawBytes: piece.rawBytes,
          crc: piece.crc,
          repeated: row.repeated,
          segment: row.segment,
          minUs: piece.minUs,
          maxUs: piece.maxUs,
          // Nobody computed a chain at a cut, and an invented one would accuse the other copy of a fork.
          before: first === row.first ? row.before : null,
          after: last === lastOf(row) ? row.after : null,
        },
        piece.bytes,
      );
      count(lane.tallies[pending], { count: piece.count, sizeBytes: piece.bytes.length }, 1);
      first = last + 1;
    }
    from = end + 1;
  }
}
