/** Columns to blocks, as FORMAT.md describes them. */
import { constants, crc32, zstdCompressSync } from "node:zlib";
import { blockBytesMax, blockRawBytesMax, blockReadingsMax } from "../limits.ts";
import { codecColumns, codecColumnsZstd } from "./block.ts";
import type { Columns, Series } from "./columns.ts";
import { sliceColumns } from "./gather.ts";
import { createRangeEncoder } from "./range-encoder.ts";
import { encodeRowSeries } from "./row-series.ts";
import { groupRows } from "./rows.ts";
import { encodeSeries } from "./series.ts";
import { encodeText } from "./text.ts";
import { encodeTimes } from "./times.ts";
import { encodeValues } from "./values.ts";
import { pushVarint } from "./varint.ts";

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

/** Shorter text is not worth a call to zstd, which takes about 15 µs. */
const zstdTextMin = 96;
/** Without the content size, which the head beside the block bounds already. */
const zstdOptions = {
  params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_contentSizeFlag]: 0 },
};

/** More text, in UTF-16 units and bytes, is not tried in one block: what would not fit is not worth compressing. */
const textSizeMax = blockRawBytesMax / 2;
/** Longer text is not kept for comparing the next one with. */
const keptTextMax = 16 * 1024;

/** Encoding runs from start to end without a break, so that one coder serves all blocks. */
const coder = createRangeEncoder();

/** The rows as blocks within the limits, in order; none for no rows. */
export function encodeBlocks(columns: Columns): EncodedBlock[] {
  const blocks: EncodedBlock[] = [];
  appendBlocks(blocks, columns, 0, columns.count);
  return blocks;
}

function appendBlocks(blocks: EncodedBlock[], columns: Columns, from: number, to: number): void {
  for (let at = from; at < to; ) {
    const end = endOfBlock(columns, at, to);
    const isAll = at === 0 && end === columns.count;
    const block = encodeBlock(isAll ? columns : sliceColumns(columns, at, end));
    // One reading always fits: it is at most 64 kB, and its overhead some twenty bytes.
    if (block.rawBytes <= blockRawBytesMax && block.bytes.length <= blockBytesMax) blocks.push(block);
    else {
      const middle = at + ((end - at) >>> 1);
      appendBlocks(blocks, columns, at, middle);
      appendBlocks(blocks, columns, middle, end);
    }
    at = end;
  }
}

/** Where a block that starts at a row ends at the latest, as far as counting tells without encoding. */
function endOfBlock({ values }: Columns, from: number, to: number): number {
  const last = Math.min(to, from + blockReadingsMax);
  let size = 0;
  for (let row = from; row < last; row++) {
    const value = values[row];
    if (typeof value === "string" || typeof value === "object") size += value.length;
    if (size > textSizeMax) return Math.max(row, from + 1);
  }
  return last;
}

function encodeBlock({ count, series, rowSeries, timesUs, values }: Columns): EncodedBlock {
  const { used, numbers } = numberSeries(series, rowSeries, count);
  const texts: string[] = [];
  const blobs: Uint8Array[] = [];
  coder.start();
  for (const one of used) encodeSeries(coder, one, texts);
  encodeRowSeries(coder, numbers, count, used.length);
  const grouped = groupRows(numbers, count, used.length);
  encodeTimes(coder, timesUs, numbers, count, grouped);
  for (let s = 0; s < used.length; s++) {
    encodeValues(coder, values, grouped.rows, grouped.starts[s]!, grouped.starts[s + 1]!, texts, blobs);
  }
  const coded = coder.finish();
  const text = encodeText(texts, blobs);
  const packed = text.length < zstdTextMin ? text : pack(text);
  const isPacked = packed.length < text.length;
  const head: number[] = [];
  pushVarint(head, count);
  pushVarint(head, used.length);
  pushVarint(head, coded.length);
  const bytes = joinBytes(head, coded, isPacked ? packed : text);
  const codec = isPacked ? codecColumnsZstd : codecColumns;
  const rawBytes = head.length + coded.length + text.length;
  return { count, codec, rawBytes, crc: crc32(bytes), bytes, ...timeSpan(timesUs, count) };
}

// Appends bring the same series again and again, so that the text of a block of numbers is often that of the last one:
// 20 of 300 µs a thousand readings, measured.
let packedLast = { text: new Uint8Array(0), packed: new Uint8Array(0) };

function pack(text: Uint8Array): Uint8Array {
  if (Buffer.compare(text, packedLast.text) === 0) return packedLast.packed;
  const packed = zstdCompressSync(text, zstdOptions);
  if (text.length <= keptTextMax) packedLast = { text: new Uint8Array(text), packed };
  return packed;
}

/** The series that rows use, numbered by first appearance, which is what row-series.ts foretells by. */
function numberSeries(
  series: readonly Series[],
  rowSeries: Uint16Array,
  count: number,
): { used: Series[]; numbers: Uint16Array } {
  const numberOf = new Int32Array(series.length).fill(-1);
  const used: Series[] = [];
  const numbers = new Uint16Array(count);
  for (let row = 0; row < count; row++) {
    const index = rowSeries[row] as number;
    if (numberOf[index] === -1) numberOf[index] = used.push(series[index] as Series) - 1;
    numbers[row] = numberOf[index] as number;
  }
  return { used, numbers };
}

function joinBytes(head: readonly number[], coded: Uint8Array, text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + coded.length + text.length);
  bytes.set(head, 0);
  bytes.set(coded, head.length);
  bytes.set(text, head.length + coded.length);
  return bytes;
}

function timeSpan(timesUs: Float64Array, count: number): { minUs: number; maxUs: number } {
  let minUs = timesUs[0] as number;
  let maxUs = minUs;
  for (let row = 1; row < count; row++) {
    const timeUs = timesUs[row] as number;
    if (timeUs < minUs) minUs = timeUs;
    if (timeUs > maxUs) maxUs = timeUs;
  }
  return { minUs, maxUs };
}
