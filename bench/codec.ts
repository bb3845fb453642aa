/**
 * Sizes and speeds of the block codec: `node bench/codec.ts [--data DIR]` prints its rows as JSON. DIR holds CSV files
 * (timestamp,value) such as NAB's; pcodec's figures for the same blocks were made by pcodec-sizes.py and stand in pcodec.json.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { decodeBlock } from "../shared/block/decode.ts";
import { type EncodedBlock, encodeBlocks } from "../shared/block/encode.ts";
import { gatherColumns } from "../shared/block/gather.ts";
import type { Reading } from "../shared/reading.ts";
import { appendBatches, blocksOf, hostBlocks, type Measured, makeMeasured, readMeasured } from "./codec-data.ts";
import type { BenchRow } from "./row.ts";

/** What stands beside each block in a batch or a store, at the most, and is counted with it. */
const headBytes = 60;

interface Reference {
  /** Bytes a reading on the same blocks, values and times together. */
  readonly regular: number;
  readonly jitter: number;
  /** The files that the figures were made of. */
  readonly files: Readonly<Record<string, { readonly readings: number }>>;
}

/** The wire and store size of blocks, beside pcodec's and JSON's; `ok` is null where the data is not what pcodec had. */
export function sizeRows(dataFolder?: string): BenchRow[] {
  const measured = dataFolder === undefined ? makeMeasured() : readMeasured(dataFolder);
  const pcodec = JSON.parse(readFileSync(new URL("pcodec.json", import.meta.url), "utf8")) as Reference;
  const rows = (["regular", "jitter"] as const).map((kind): BenchRow => {
    const value = bytesPerReading(blocksOf(measured, kind === "jitter"));
    const unit = "B/reading";
    const id = `wire-${kind}`;
    if (!isSame(measured, pcodec)) {
      return { id, value, unit, target: null, reference: null, ratio: null, leastRatio: null, ok: null };
    }
    const reference = pcodec[kind];
    const target = reference;
    return { id, value, unit, target, reference, ratio: value / reference, leastRatio: 1, ok: value <= target };
  });
  return [...rows, hostRow()];
}

/** Whether these are the very files that pcodec was measured on: beside others its figures would tell nothing. */
function isSame(measured: readonly Measured[], { files }: Reference): boolean {
  return (
    measured.length === Object.keys(files).length &&
    measured.every(({ name, values }) => files[name]?.readings === values.length)
  );
}

function hostRow(): BenchRow {
  const blocks = hostBlocks();
  const value = bytesPerReading(blocks);
  const json = blocks.flat().reduce((sum, reading) => sum + JSON.stringify(reading).length + 1, 0);
  const reference = json / blocks.flat().length;
  const target = 3;
  const ratio = value / reference;
  const leastRatio = 0.025;
  return {
    id: "wire-host",
    value,
    unit: "B/reading",
    target,
    reference,
    ratio,
    leastRatio,
    ok: value <= target,
  };
}

/** Encodes, checks that the same readings come back, and counts the bytes with their heads. */
function bytesPerReading(blocks: readonly Reading[][]): number {
  let bytes = 0;
  let readings = 0;
  for (const block of blocks) {
    for (const encoded of encodeBlocks(gatherColumns(block))) {
      const { values, timesUs } = decodeBlock(encoded.codec, encoded.rawBytes, encoded.bytes);
      const first = readings;
      for (let row = 0; row < encoded.count; row++, readings++) {
        const reading = block[readings - first] as Reading;
        if (!Object.is(values[row], reading.value) || timesUs[row] !== reading.timeUs) {
          throw new Error(`a reading came back changed: ${JSON.stringify(reading)}`);
        }
      }
      bytes += encoded.bytes.length + headBytes;
    }
  }
  return bytes / readings;
}

/** Gathering and encoding, and decoding, of appends over 50 series, beside JSON of the same readings in the same run. */
export function speedRows(): BenchRow[] {
  const batches = appendBatches(40);
  const readings = batches.length * (batches[0]?.length ?? 0);
  let blocks: EncodedBlock[] = [];
  let texts: string[] = [];
  const encode = perSecond(readings, () => {
    blocks = batches.flatMap((batch) => encodeBlocks(gatherColumns(batch)));
  });
  const decode = perSecond(readings, () => {
    for (const { codec, rawBytes, bytes } of blocks) decodeBlock(codec, rawBytes, bytes);
  });
  const stringify = perSecond(readings, () => {
    texts = batches.map((batch) => JSON.stringify(batch));
  });
  const parse = perSecond(readings, () => {
    for (const text of texts) JSON.parse(text);
  });
  return [
    rateRow("codec-encode", encode, 4_000_000, stringify, 0.8),
    rateRow("codec-decode", decode, 2_500_000, parse, 1),
  ];
}

function rateRow(id: string, value: number, target: number, reference: number, leastRatio: number): BenchRow {
  const ratio = value / reference;
  return { id, value, unit: "readings/s", target, reference, ratio, leastRatio, ok: value >= target };
}

/** The best of many rounds: other work on the machine only ever makes a round slower. */
function perSecond(readings: number, work: () => void): number {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 25; round++) {
    const startMs = performance.now();
    work();
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  return (readings / bestMs) * 1000;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { data: { type: "string" } } });
  console.log(JSON.stringify({ rows: [...sizeRows(values.data), ...speedRows()] }, null, 2));
}
