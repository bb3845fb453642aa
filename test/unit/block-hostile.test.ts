import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { codecColumns, codecColumnsZstd, codecLoss } from "../../shared/block/block.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import { type EncodedBlock, encodeBlocks } from "../../shared/block/encode.ts";
import { gatherColumns, readingAt } from "../../shared/block/gather.ts";
import { codeOf, Fault, messageOf } from "../../shared/errors.ts";
import { blockRawBytesMax, blockReadingsMax } from "../../shared/limits.ts";
import type { Reading } from "../../shared/reading.ts";
import { anyReadings } from "../fakes/readings.ts";

/** Either a Fault, or readings within the limits: damage that the CRC would have caught may look like other data. */
function checkBounded(codec: number, rawBytes: number, bytes: Uint8Array): void {
  try {
    const columns = decodeBlock(codec, rawBytes, bytes);
    assert.ok(columns.count >= 1 && columns.count <= blockReadingsMax);
    assert.equal(columns.values.length, columns.count);
    assert.equal(columns.rowSeries.length, columns.count);
    for (let row = 0; row < columns.count; row++) {
      const reading = readingAt(columns, row);
      assert.ok(Number.isSafeInteger(reading.timeUs) && reading.timeUs >= 0);
      if (typeof reading.value === "number") assert.ok(Number.isFinite(reading.value));
      assert.notEqual(reading.value, undefined);
      assert.equal(typeof reading.name, "string");
    }
  } catch (error) {
    assert.ok(error instanceof Fault, String((error as Error).stack));
    assert.equal(error.code, "damaged");
  }
}

function first(readings: Reading[]): EncodedBlock {
  const [block] = encodeBlocks(gatherColumns(readings));
  assert.ok(block !== undefined);
  return block;
}

const zstdMagic = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);

const names = Array.from({ length: 200 }, (_, i): Reading => {
  return { name: `a rather long name ${i % 20}`, unit: "Cel", timeUs: i * 1000, value: i % 3 === 0 ? "on" : i / 7 };
});

test("random bytes never do more than fail (I8)", () => {
  const codec = fc.constantFrom(codecColumns, codecColumnsZstd);
  const size = fc.integer({ min: -5, max: 70_000 });
  fc.assert(fc.property(codec, size, fc.uint8Array({ maxLength: 400 }), checkBounded), { numRuns: 2000 });
});

test("random bytes behind a plausible head never do more than fail (I8)", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 30, maxLength: 300 }), fc.integer({ min: 1, max: 100 }), (noise, count) => {
      const bytes = Uint8Array.from([
        count,
        1 + (count % 5),
        20,
        ...noise.map((byte, i) => (i < 20 ? byte : byte % 97)),
      ]);
      checkBounded(codecColumns, bytes.length, bytes);
    }),
    { numRuns: 2000 },
  );
});

test("flipped bits, cuts and wrong sizes never do more than fail (I8)", () => {
  fc.assert(
    fc.property(anyReadings(30), fc.nat(), fc.nat(), fc.integer({ min: -3, max: 3 }), (readings, at, cut, more) => {
      const { codec, rawBytes, bytes } = first(readings);
      const flipped = bytes.slice();
      flipped[at % bytes.length] = (flipped[at % bytes.length] as number) ^ (1 << (at % 8));
      checkBounded(codec, rawBytes, flipped);
      checkBounded(codec, rawBytes, bytes.subarray(0, cut % bytes.length));
      if (more !== 0) assert.throws(() => decodeBlock(codec, rawBytes + more, bytes), { code: "damaged" });
    }),
    { numRuns: 500 },
  );
});

test("every single bit flip of a compressed block is bounded (I8)", () => {
  const { codec, rawBytes, bytes } = first(names);
  assert.equal(codec, codecColumnsZstd);
  for (let bit = 0; bit < bytes.length * 8; bit += 3) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    checkBounded(codec, rawBytes, flipped);
  }
});

test("a zstd bomb, a huge window and a lying size are refused before they take memory (I8)", () => {
  const { rawBytes, bytes } = first(names);
  const before = bytes.subarray(0, Buffer.from(bytes).indexOf(zstdMagic));
  const bomb = Buffer.concat([before, zstdCompressSync(new Uint8Array(64 * 1024 * 1024))]);
  for (const declared of [rawBytes, blockRawBytesMax]) {
    assert.throws(
      () => decodeBlock(codecColumnsZstd, declared, bomb),
      (fault: Fault) => fault.code === "damaged" && codeOf(fault.cause) === "ERR_BUFFER_TOO_LARGE",
    );
  }
  // By hand: a frame that asks for 128 MiB of window (2^27), and one raw block of one byte.
  const wide = Buffer.concat([before, zstdMagic, Uint8Array.of(0, (27 - 10) << 3, 9, 0, 0, 65)]);
  assert.throws(
    () => decodeBlock(codecColumnsZstd, rawBytes, wide),
    (fault: Fault) => fault.code === "damaged" && /memory|window/i.test(messageOf(fault.cause)),
  );
  assert.throws(() => decodeBlock(codecColumnsZstd, 2 ** 40, bytes), { code: "damaged" });
});

test("a codec of a later version is told apart from damage", () => {
  const { rawBytes, bytes } = first(names);
  assert.throws(() => decodeBlock(3, rawBytes, bytes), { code: "too-new" });
  assert.throws(() => decodeBlock(codecLoss, rawBytes, bytes), { code: "too-new" });
});

test("the fullest hostile block decodes in bounded time (I8)", () => {
  const noise = Uint8Array.from({ length: 256 * 1024 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24);
  const bytes = Uint8Array.from([0x90, 0x4e, 0x90, 0x4e, 0x80, 0x80, 0x0f, ...noise]);
  checkBounded(codecColumns, bytes.length, bytes);
});
