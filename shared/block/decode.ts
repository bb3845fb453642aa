/** Blocks to columns. */
import { constants, zstdDecompressSync } from "node:zlib";
import { Fault } from "../errors.ts";
import { blockRawBytesMax } from "../limits.ts";
import type { Value } from "../reading.ts";
import { codecColumns, codecColumnsZstd } from "./block.ts";
import type { Columns, Series } from "./columns.ts";

/**
 * The columns in a block's bytes.
 * @throws Fault `damaged` where the bytes are malformed, `too-new` where the codec is not known here
 */
export function decodeBlock(codec: number, rawBytes: number, bytes: Uint8Array): Columns {
  if (codec !== codecColumns && codec !== codecColumnsZstd) {
    throw new Fault("too-new", { what: `a block has codec ${codec}`, why: "this version cannot read it" });
  }
  try {
    const plain =
      codec === codecColumns
        ? bytes
        : zstdDecompressSync(bytes, {
            maxOutputLength: Math.min(rawBytes, blockRawBytesMax),
            params: { [constants.ZSTD_d_windowLogMax]: 22 },
          });
    if (plain.length !== rawBytes) throw new Error("another length than declared");
    const [series, rowSeries, timesUs, values] = JSON.parse(Buffer.from(plain).toString()) as [
      Series[],
      number[],
      number[],
      (Value | null | [string])[],
    ];
    return {
      count: values.length,
      series: series.map((one) => ({ name: one.name, unit: one.unit, labels: one.labels, stamped: one.stamped })),
      rowSeries: Uint16Array.from(rowSeries),
      timesUs: Float64Array.from(timesUs),
      values: values.map((value) =>
        value === null ? -0 : Array.isArray(value) ? new Uint8Array(Buffer.from(value[0], "base64")) : value,
      ),
    };
  } catch (error) {
    throw new Fault("damaged", { what: "a block cannot be read", cause: error });
  }
}
