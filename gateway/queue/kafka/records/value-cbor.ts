/**
 * A reading as a CBOR map (RFC 8949): the members of the JSON object, but `timeUs` alone for the time, and `value` for
 * bytes too. RECORDS.md has its CDDL.
 */
import type { Columns, Series } from "../../../../shared/block/columns.ts";
import { encodeCbor, integer } from "../../../../shared/cbor.ts";
import type { Lane } from "../../queue.ts";
import { type Row, seriesMembers } from "../../rows.ts";

const emptyMap = 0xa0;
/** seq, timeUs, value and clock. */
const rowMembers = 4;
const timeKey = encodeCbor("timeUs");
const valueKey = encodeCbor("value");
/** As a half float: cbor-x would write a plain zero. */
const minusZero = Uint8Array.of(0xf9, 0x80, 0x00);

/** Writes the rows of one block. */
export function cborWriter(lane: Lane, columns: Columns, repeated: boolean): (row: Row) => Uint8Array {
  const { agent, stream, epoch } = lane;
  const marks = repeated ? { repeated } : {};

  function headOf(series: Series): Uint8Array {
    const members = { kind: "reading", agent, stream, epoch, ...seriesMembers(series), ...marks };
    const items = Object.entries(members).flat().map(encodeCbor);
    // Fewer than 24 members: their number stands in the first byte.
    return Buffer.concat([Buffer.of(emptyMap + items.length / 2 + rowMembers), ...items, encodeCbor("seq")]);
  }

  const heads = columns.series.map(headOf);
  return ({ index, seq, timeUs, value, clock }) =>
    Buffer.concat([
      heads[index] as Uint8Array,
      encodeCbor(integer(seq)),
      timeKey,
      encodeCbor(integer(timeUs)),
      valueKey,
      Object.is(value, -0) ? minusZero : encodeCbor(value),
      clockPieces[clock],
    ]);
}

const clockPieces = {
  synced: clockPiece("synced"),
  corrected: clockPiece("corrected"),
  unsynced: clockPiece("unsynced"),
};

function clockPiece(quality: Row["clock"]): Uint8Array {
  return Buffer.concat([encodeCbor("clock"), encodeCbor(quality)]);
}
