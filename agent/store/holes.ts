/**
 * A damaged index page can make SQLite pass over rows without an error (1 of 60 bit flips in the file, half of the rows
 * gone). The seqs tell: each is in a row, or a journal has it, or the queue was seen to have it, or it left and its edge
 * says so. The queue counts beside the journal: edges go once the queue has what they end, and in the open epoch a
 * position that ends in an unknown chain shows nothing any more of what an earlier one had verified.
 */
import { lastOf } from "../../shared/block/block.ts";
import { gaps, type Span } from "../../shared/ranges.ts";
import type { BlockRow } from "./blocks.ts";
import type { Core } from "./core.ts";
import { placeOnly } from "./edges.ts";
import type { Lane } from "./lanes.ts";

/**
 * Looks for seqs that are nowhere.
 * @param rows all rows of the lane from `first` to `last`, in order
 * @throws as SQLite does for a corrupt file (I10: the store is then taken over, which names them)
 */
export function refuseHoles(core: Core, lane: Lane, rows: readonly BlockRow[], first: number, last: number): void {
  const held = rows.map((row): Span => ({ first: row.first, last: lastOf(row) }));
  for (const hole of gaps(held, first, last)) {
    const unknown = gaps(lane.journaled, hole.first, hole.last);
    for (const open of unknown.flatMap((span) => gaps(lane.verified, span.first, span.last))) {
      const edges = core.edges.within(lane.run, lane.stream, open).filter((edge) => edge.state !== placeOnly);
      const [lost] = gaps(edges, open.first, open.last);
      if (lost === undefined) continue;
      const where = `seqs ${lost.first} to ${lost.last} of stream "${lane.name}"`;
      // The code that SQLite gives where it notices by itself, so that the same is done about it.
      throw Object.assign(new Error(`nothing says where ${where} are`), { code: "SQLITE_CORRUPT" });
    }
  }
}
