import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { codecColumns, crcHolds } from "../../shared/block/block.ts";
import type { Columns } from "../../shared/block/columns.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import { type EncodedBlock, encodeBlocks } from "../../shared/block/encode.ts";
import { gatherColumns, mergeColumns, readingAt, sliceColumns } from "../../shared/block/gather.ts";
import { blockBytesMax, blockRawBytesMax, blockReadingsMax } from "../../shared/limits.ts";
import type { Reading } from "../../shared/reading.ts";
import { anyReadings, normal, usualReadings } from "../fakes/readings.ts";

function rowsOf(columns: Columns): unknown[][] {
  return Array.from({ length: columns.count }, (_, row) => normal(readingAt(columns, row)));
}

function decoded(blocks: readonly EncodedBlock[]): unknown[][] {
  return blocks.flatMap(({ codec, rawBytes, bytes }) => rowsOf(decodeBlock(codec, rawBytes, bytes)));
}

function checkRoundTrip(readings: Reading[]): EncodedBlock[] {
  const blocks = encodeBlocks(gatherColumns(readings));
  assert.deepEqual(decoded(blocks), readings.map(normal));
  let at = 0;
  for (const block of blocks) {
    assert.ok(block.bytes.length <= blockBytesMax && block.rawBytes <= blockRawBytesMax && crcHolds(block));
    assert.ok(block.count >= 1 && block.count <= blockReadingsMax);
    const times = readings.slice(at, at + block.count).map((reading) => reading.timeUs);
    assert.equal(block.minUs, Math.min(...times));
    assert.equal(block.maxUs, Math.max(...times));
    at += block.count;
  }
  return blocks;
}

test("any valid readings come back from a block as they were", () => {
  fc.assert(
    fc.property(anyReadings(40), (readings) => void checkRoundTrip(readings)),
    { numRuns: 500 },
  );
});

test("smooth values at regular and jittered times come back as they were", () => {
  fc.assert(
    fc.property(usualReadings, (readings) => void checkRoundTrip(readings)),
    { numRuns: 300 },
  );
});

test("merged and sliced columns hold the same readings", () => {
  fc.assert(
    fc.property(fc.array(anyReadings(10), { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(), (parts, a, b) => {
      const merged = mergeColumns(parts.map((part) => gatherColumns(part)));
      const rows = parts.flat().map(normal);
      assert.deepEqual(rowsOf(merged), rows);
      assert.equal(
        merged.series.length,
        new Set(rows.map((row) => JSON.stringify([row[0], row[1], row[2], row[4]]))).size,
      );
      const [from = 0, to = 0] = [a % (rows.length + 1), b % (rows.length + 1)].sort((x, y) => x - y);
      const slice = sliceColumns(merged, from, to);
      assert.deepEqual(rowsOf(slice), rows.slice(from, to));
      assert.ok(slice.series.length <= to - from);
      assert.deepEqual(decoded(encodeBlocks(slice)), rows.slice(from, to));
    }),
  );
});

test("the same readings give the same bytes, whatever the order of labels and of earlier calls", () => {
  const one = encodeBlocks(gatherColumns([{ name: "a", timeUs: 5, value: 1, labels: { x: "1", y: "2" } }]));
  encodeBlocks(gatherColumns([{ name: "b", timeUs: 6, value: "text" }]));
  const two = encodeBlocks(gatherColumns([{ name: "a", timeUs: 5, value: 1, labels: { y: "2", x: "1" } }]));
  assert.deepEqual(one, two);
});

test("series are one where name, unit, labels and stamp are, even if separators stand in their names", () => {
  const readings: Reading[] = [
    { name: "a", unit: "b", timeUs: 1, value: 1 },
    { name: "a\u0002b", timeUs: 1, value: 1 },
    { name: "a", unit: "b", timeUs: 1, value: 1, labels: {} },
    { name: "a\u0002b", timeUs: 1, value: 1 },
    { name: "a", unit: "b", timeUs: 1, value: 1, stamped: true },
    { name: "a", unit: "b", timeUs: 1, value: 1, labels: { 10: "x", 9: "y", b: "z", a: "w" } },
    { name: "a", unit: "b", timeUs: 1, value: 1, labels: { a: "w", b: "z", 9: "y", 10: "x" } },
    { name: "a\u0002b", timeUs: 1, value: 1, stamped: false },
  ];
  const columns = gatherColumns(readings);
  assert.deepEqual([...columns.rowSeries], [0, 1, 0, 1, 2, 3, 3, 1]);
  checkRoundTrip(readings);
});

test("one reading costs its name and about twenty bytes", () => {
  const [block] = checkRoundTrip([{ name: "pump/flow", unit: "l/s", timeUs: 1_763_600_000_123_456, value: 12.75 }]);
  assert.ok(
    block !== undefined && block.bytes.length <= "pump/flow".length + "l/s".length + 22,
    `${block?.bytes.length}`,
  );
  assert.equal(block.codec, codecColumns);
});

test("no readings make no block", () => {
  assert.deepEqual(encodeBlocks(gatherColumns([])), []);
});

test("rows split into blocks within every limit (I8)", () => {
  const many = Array.from({ length: 25_000 }, (_, i): Reading => ({ name: `s${i % 7}`, timeUs: i, value: i }));
  assert.equal(checkRoundTrip(many).length, 3);
  // Text that does not compress, so that the encoded size is what splits.
  let seed = 1;
  const noise = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed >>> 24;
  };
  const blobs = Array.from({ length: 20 }, (_, i): Reading => {
    return { name: "image", timeUs: i, value: Uint8Array.from({ length: 60_000 }, noise) };
  });
  const blocks = checkRoundTrip(blobs);
  assert.ok(blocks.length >= 5 && blocks.length <= 10, `${blocks.length}`);
  // Text that compresses to nothing, so that the raw size is.
  const long = Array.from({ length: 200 }, (_, i): Reading => ({ name: "log", timeUs: i, value: "x".repeat(60_000) }));
  assert.ok(checkRoundTrip(long).length >= 3);
});

test("ten thousand series in one block", () => {
  const readings = Array.from({ length: 10_000 }, (_, i): Reading => {
    return { name: "meter", labels: { id: `${i}` }, timeUs: 1_700_000_000_000_000, value: i };
  });
  assert.equal(gatherColumns(readings).series.length, 10_000);
  checkRoundTrip(readings);
});

test("more series than a row can name are refused", () => {
  const readings = Array.from({ length: 65_537 }, (_, i): Reading => ({ name: `s${i}`, timeUs: 1, value: 1 }));
  assert.throws(() => gatherColumns(readings), { code: "too-large" });
  assert.equal(gatherColumns(readings, 1).series.length, 65_536);
});
