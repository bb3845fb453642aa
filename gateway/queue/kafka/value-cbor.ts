/**
 * A reading as a CBOR map (RFC 8949): the members of the JSON object, but `timeUs` alone for the time, and `value` for
 * bytes too. RECORDS.md has its CDDL.
 */
import type { Columns } from "../../../shared/block/columns.ts";
import { encodeCbor, integer } from "../../../shared/cbor.ts";
import type { Lane } from "../queue.ts";
import { type Row, seriesMembers } from "../rows.ts";

/** Writes the rows of one block. */
export function cborWriter(lane: Lane, columns: Columns, repeated: boolean): (row: Row) => Uint8Array {
  const { agent, stream, epoch } = lane;
  const members = columns.series.map(seriesMembers);
  const mark = repeated ? { repeated } : {};
  return ({ seq, timeUs, index, value, clock }) =>
    encodeCbor({
      ...{ kind: "reading", agent, stream, epoch, seq: integer(seq), timeUs: integer(timeUs) },
      ...members[index],
      value,
      clock,
      ...mark,
    });
}
