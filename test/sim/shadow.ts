/**
 * What a store cannot know (PROTOCOL §9): a forked process that has restarted believes ranges whose end it has no chain
 * for, and what it wrote under these names may then be lost in the other copy's shadow. Read from the file, so that the
 * exemption does not rest on the code it judges.
 */
import type { Lane } from "../../agent/store/lanes.ts";
import { covers, type Ranges, type Span, touches } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";

/** The ranges of a position whose ends tell this store nothing: it has no chain there, or the range has none. */
export function unprovenSpans(db: Db, lane: Lane, ranges: Ranges): Span[] {
  const edge = db
    .prepare(
      `SELECT 1 FROM block WHERE run=$run AND stream=$stream AND first + count - 1 = $seq AND chain_after IS NOT NULL
       UNION SELECT 1 FROM block WHERE run=$run AND stream=$stream AND first = $seq + 1 AND chain_before IS NOT NULL
       UNION SELECT 1 FROM edge WHERE run=$run AND stream=$stream AND last = $seq AND chain_after IS NOT NULL`,
    )
    .pluck();
  return ranges.filter(
    ({ last, after }) =>
      after === null ||
      (last !== lane.last && edge.get({ run: lane.run, stream: lane.stream, seq: last }) === undefined),
  );
}

/**
 * The pending blocks of readings that a position covers in part: while the epoch is the process's own, that is a fork
 * (PROTOCOL §6), and nothing of these blocks may stay behind in the other copy's shadow.
 */
export function partlyCovered(db: Db, lane: Lane, ranges: Ranges): Span[] {
  const blocks = db
    .prepare("SELECT first, first + count - 1 AS last FROM block WHERE run=? AND stream=? AND state = 0 AND codec <> 0")
    .all(lane.run, lane.stream) as Span[];
  return blocks.filter(({ first, last }) => touches(ranges, first, last) && !covers(ranges, first, last));
}
