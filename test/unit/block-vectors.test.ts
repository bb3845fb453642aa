import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { codecColumns } from "../../shared/block/block.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import { encodeBlocks } from "../../shared/block/encode.ts";
import { gatherColumns, readingAt } from "../../shared/block/gather.ts";
import type { Reading, Value } from "../../shared/reading.ts";
import { normal } from "../fakes/readings.ts";

/** JSON has no bytes and no negative zero. */
interface Vector {
  title: string;
  readings: (Omit<Reading, "value"> & { value: Exclude<Value, Uint8Array> | { hex: string } | { float: string } })[];
  codec: number;
  rawBytes: number;
  crc: number;
  hex: string;
}

const file = new URL("../vectors/block.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vector[];

function readingsOf(vector: Vector): Reading[] {
  return vector.readings.map(({ value, ...rest }) => {
    if (typeof value !== "object") return { ...rest, value };
    if ("hex" in value) return { ...rest, value: new Uint8Array(Buffer.from(value.hex, "hex")) };
    return { ...rest, value: Buffer.from(value.float, "hex").readDoubleBE() };
  });
}

for (const vector of vectors) {
  test(`the block format is what it was: ${vector.title}`, () => {
    const readings = readingsOf(vector);
    const columns = decodeBlock(vector.codec, vector.rawBytes, Buffer.from(vector.hex, "hex"));
    const found = Array.from({ length: columns.count }, (_, row) => normal(readingAt(columns, row)));
    assert.deepEqual(found, readings.map(normal));
    const [block] = encodeBlocks(gatherColumns(readings));
    assert.equal(block?.codec, vector.codec);
    assert.equal(block.rawBytes, vector.rawBytes);
    // Another release of zstd may compress otherwise, and every reader reads both.
    if (vector.codec !== codecColumns) return;
    assert.equal(Buffer.from(block.bytes).toString("hex"), vector.hex);
    assert.equal(block.crc, vector.crc);
  });
}
