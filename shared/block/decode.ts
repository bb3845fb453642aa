/** Blocks to columns. The bytes come from outside: every count is bounded before anything is made of that size (I8). */
import { constants, zstdDecompressSync } from "node:zlib";
import { Fault } from "../errors.ts";
import { blockRawBytesMax, blockReadingsMax } from "../limits.ts";
import type { Value } from "../reading.ts";
import { codecColumns, codecColumnsZstd } from "./block.ts";
import type { Columns } from "./columns.ts";
import { damaged } from "./damaged.ts";
import { createRangeDecoder } from "./range-decoder.ts";
import { decodeRowSeries } from "./row-series.ts";
import { groupRows } from "./rows.ts";
import { decodeShape, nameSeries, stringsOf } from "./series.ts";
import { decodeTexts } from "./text.ts";
import { decodeTimes } from "./times.ts";
import { decodeValues, type Payload, placeValues, textKind, type ValueColumns } from "./values.ts";
import { varintReader } from "./varint.ts";

/** A frame never needs more history than a whole raw block: 2^22 bytes. */
const windowLogMax = 22;

/**
 * The columns in a block's bytes.
 * @throws Fault `damaged` where the bytes are malformed, `too-new` where the codec is not known here
 */
export function decodeBlock(codec: number, rawBytes: number, bytes: Uint8Array): Columns {
  if (codec !== codecColumns && codec !== codecColumnsZstd) {
    throw new Fault("too-new", {
      what: `a block has codec ${codec}`,
      why: "this version does not know it",
      remedy: "install a version of Holdfast at least as new as the one that wrote the block",
    });
  }
  if (rawBytes > blockRawBytesMax) throw damaged("it says it is larger than a block may be");
  const head = varintReader(bytes);
  const count = head.next();
  const seriesCount = head.next();
  const codedBytes = head.next();
  if (count < 1 || count > blockReadingsMax) throw damaged("it has no reading, or too many");
  if (seriesCount < 1 || seriesCount > count) throw damaged("it has no series, or more than readings");
  const codedEnd = head.at + codedBytes;
  if (codedEnd > bytes.length) throw damaged("it ends too early");
  const text = readText(codec, rawBytes - codedEnd, bytes.subarray(codedEnd));

  const coder = createRangeDecoder(bytes, head.at, codedEnd);
  const shapes = Array.from({ length: seriesCount }, () => decodeShape(coder));
  const rowSeries = decodeRowSeries(coder, count, seriesCount);
  const { starts, rows } = groupRows(rowSeries, count, seriesCount);
  const timesUs = decodeTimes(coder, rowSeries, count, seriesCount);
  const columns = shapes.map((_, s) => decodeValues(coder, starts[s + 1]! - starts[s]!));

  const strings = shapes.reduce((sum, shape) => sum + stringsOf(shape), 0);
  const payload = createPayload(text, strings, columns);
  const series = shapes.map((shape) => nameSeries(shape, payload.text));
  const values = new Array<Value>(count);
  columns.forEach((column, s) => {
    placeValues(column, payload, rows, starts[s]!, values);
  });
  return { count, series, rowSeries, timesUs, values };
}

function readText(codec: number, textBytes: number, bytes: Uint8Array): Uint8Array {
  if (textBytes < 1) throw damaged("it is larger than it says");
  const text = codec === codecColumns ? bytes : decompress(bytes, textBytes);
  if (text.length !== textBytes) throw damaged("it has another size than it says");
  return text;
}

function decompress(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  try {
    return zstdDecompressSync(bytes, {
      maxOutputLength: sizeBytes,
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    });
  } catch (error) {
    throw damaged("its text does not decompress", error);
  }
}

/** Hands out the strings and byte values of the text, all of which must be spoken for. */
function createPayload(text: Uint8Array, seriesStrings: number, columns: readonly ValueColumns[]): Payload {
  let strings = seriesStrings;
  let blobBytes = 0;
  for (const { kinds, sizes } of columns) {
    for (const kind of kinds) if (kind === textKind) strings++;
    for (const size of sizes) {
      if (size < 0 || size > text.length) throw damaged("a value is larger than the block");
      blobBytes += size;
    }
  }
  if (blobBytes > text.length) throw damaged("its values are larger than the block");
  const textEnd = text.length - blobBytes;
  const texts = decodeTexts(text.subarray(0, textEnd), strings);
  let nextText = 0;
  let nextByte = textEnd;
  return {
    text: () => texts[nextText++] as string,
    bytes(sizeBytes) {
      const start = nextByte;
      nextByte += sizeBytes;
      // A copy, so that a kept value does not keep the whole block.
      return text.slice(start, nextByte);
    },
  };
}
