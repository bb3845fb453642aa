/** Columns to blocks. */
import { crc32, zstdCompressSync } from "node:zlib";
import { blockBytesMax, blockRawBytesMax, blockReadingsMax } from "../limits.ts";
import { codecColumns, codecColumnsZstd } from "./block.ts";
import type { Columns } from "./columns.ts";
import { sliceColumns } from "./gather.ts";

/** A block's bytes and what the head beside them says of them; seqs and chains are the store's to give. */
export interface EncodedBlock {
  readonly count: number;
  readonly codec: number;
  readonly rawBytes: number;
  readonly crc: number;
  readonly bytes: Uint8Array;
  /** Least and greatest time in the block, µs. */
  readonly minUs: number;
  readonly maxUs: number;
}

/** The rows as blocks within the limits, in order; none for no rows. */
export function encodeBlocks(columns: Columns): EncodedBlock[] {
  if (columns.count === 0) return [];
  if (columns.count <= blockReadingsMax) {
    const block = encodeBlock(columns);
    if (block.rawBytes <= blockRawBytesMax && block.bytes.length <= blockBytesMax) return [block];
  }
  const middle = columns.count >>> 1;
  return [
    ...encodeBlocks(sliceColumns(columns, 0, middle)),
    ...encodeBlocks(sliceColumns(columns, middle, columns.count)),
  ];
}

function encodeBlock({ count, series, rowSeries, timesUs, values }: Columns): EncodedBlock {
  const plain = Buffer.from(
    JSON.stringify([
      series,
      [...rowSeries.subarray(0, count)],
      [...timesUs.subarray(0, count)],
      values
        .slice(0, count)
        .map((value) =>
          value instanceof Uint8Array ? [Buffer.from(value).toString("base64")] : Object.is(value, -0) ? null : value,
        ),
    ]),
  );
  const small = zstdCompressSync(plain);
  const bytes = small.length < plain.length ? small : plain;
  let minUs = timesUs[0] as number;
  let maxUs = minUs;
  for (let row = 1; row < count; row++) {
    const timeUs = timesUs[row] as number;
    if (timeUs < minUs) minUs = timeUs;
    if (timeUs > maxUs) maxUs = timeUs;
  }
  const codec = bytes === plain ? codecColumns : codecColumnsZstd;
  return { count, codec, rawBytes: plain.length, crc: crc32(bytes), bytes, minUs, maxUs };
}
