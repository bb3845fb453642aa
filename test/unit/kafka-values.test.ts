import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Decoder } from "cbor-x";
import fc from "fast-check";
import { createHeads } from "../../agent/inputs/formats/heads.ts";
import { parseSenml } from "../../agent/inputs/formats/senml.ts";
import { decodeBatch, encodeBatch } from "../../gateway/queue/kafka/records/value-batch.ts";
import { lineTexts } from "../../gateway/queue/lines.ts";
import type { Outcome } from "../../gateway/queue/queue.ts";
import { readBatch } from "../../reader/read-batch.ts";
import { encodeCbor, integer } from "../../shared/cbor.ts";
import { Fault } from "../../shared/errors.ts";
import { blockBytesMax, seqMax } from "../../shared/limits.ts";
import { clockQualities } from "../../shared/protocol/messages.ts";
import { lane, readingsOutcome, recordsFor, synced, textOf } from "../fakes/kafka-records.ts";
import { startUs } from "../fakes/outcomes.ts";
import { anyReadings } from "../fakes/readings.ts";

/** What the file queue would write of the outcome: the form that all others are measured by. */
function linesOf(outcome: Outcome): Record<string, unknown>[] {
  return [...lineTexts([outcome])].map((line) => JSON.parse(line) as Record<string, unknown>);
}

function bytesOf(outcome: Outcome, format: "cbor" | "batch"): Uint8Array[] {
  return recordsFor([outcome], { format }).map(({ value }) => value as Uint8Array);
}

/** Outcomes of any readings, with any clock, of which some seqs were settled before. */
const anyOutcome = fc
  .record({
    readings: anyReadings(12),
    first: fc.constantFrom(1, 41, 2 ** 33, seqMax - 12),
    quality: fc.constantFrom(...clockQualities),
    offsetUs: fc.constantFrom(0, 1, -3_600_000_000, 10_000_000_000, 7e15),
    repeated: fc.boolean(),
    settled: fc.nat({ max: 11 }),
  })
  .map(({ readings, first, quality, offsetUs, repeated, settled }) => {
    const last = first + readings.length - 1;
    const gap = first + settled;
    const parts = [
      { first, last: Math.min(last, gap - 1) },
      { first: gap + 1, last },
    ].filter((span) => span.first <= span.last);
    const spans = parts.length === 0 ? [{ first, last }] : parts;
    return readingsOutcome(readings, { first, spans, clock: { segment: 9, offsetUs, quality }, block: { repeated } });
  });

void describe("SenML values", () => {
  void it("are packs of one record with all that a reading is", () => {
    fc.assert(
      fc.property(anyOutcome, (outcome) => {
        const lines = linesOf(outcome);
        const texts = recordsFor([outcome], { format: "senml" }).map(textOf);
        assert.equal(texts.length, lines.length);
        for (const [at, text] of texts.entries()) {
          const [record, ...more] = JSON.parse(text) as Record<string, string>[];
          const { name, unit, labels, timeUs, value, valueBase64 } = lines[at] as Record<string, unknown>;
          const { n, u, t, v, vs, vb, vd, labels: labelsText, ...others } = record ?? {};
          assert.deepEqual([more, others], [[], {}]);
          assert.deepEqual([n, u, labelsText && JSON.parse(labelsText)], [name, unit, labels]);
          // A double would hold times from 2106 on only to about a µs.
          const digits = /,"t":(\d+)\.(\d{6}),"v/.exec(text)?.slice(1).join("");
          const isAbsolute = (timeUs as number) >= 2 ** 28 * 1e6;
          assert.deepEqual([digits && Number(digits), t !== undefined], [isAbsolute ? timeUs : undefined, isAbsolute]);
          const bytes = vd === undefined ? undefined : Buffer.from(vd, "base64url").toString("base64");
          assert.deepEqual([v ?? vs ?? vb, bytes], [value, valueBase64]);
          assert.equal([v, vs, vb, vd].filter((found) => found !== undefined).length, 1);
        }
      }),
      { numRuns: 300 },
    );
  });

  void it("can be sent to an agent again", () => {
    const readings = [
      { name: "temperature", unit: "Cel", timeUs: startUs, value: 20.5 },
      { name: "door", timeUs: startUs + 1, value: "open" },
      { name: "raw", timeUs: startUs + 2, value: Uint8Array.of(255, 254, 0) },
    ];
    const [first, ...others] = recordsFor([readingsOutcome(readings)], { format: "senml" }).map(textOf);
    assert.equal(first, '[{"n":"temperature","u":"Cel","t":1767323045.678901,"v":20.5}]');
    const again = [first, ...others].flatMap((text) => parseSenml(text, createHeads(), 0));
    const plain = again.map(({ name, unit, timeUs, value }) => ({ name, timeUs, value, ...(unit && { unit }) }));
    assert.deepEqual(plain, readings);
  });
});

void describe("CBOR values", () => {
  // Maps keep every key as it is; objects would not keep a label called __proto__.
  const decoder = new Decoder({ mapsAsObjects: false, useRecords: false });

  function plain(item: unknown): unknown {
    if (item instanceof Map) return Object.fromEntries([...item].map(([key, value]) => [key, plain(value)]));
    if (item instanceof Uint8Array) return Buffer.from(item);
    return typeof item === "bigint" ? Number(item) : item;
  }

  void it("are the JSON object, with bytes as they are and one time", () => {
    fc.assert(
      fc.property(anyOutcome, (outcome) => {
        const expected = linesOf(outcome).map(({ time, valueBase64, ...line }) => {
          assert.ok(typeof time === "string");
          return valueBase64 === undefined ? line : { ...line, value: Buffer.from(valueBase64 as string, "base64") };
        });
        assert.deepEqual(
          bytesOf(outcome, "cbor").map((value) => plain(decoder.decode(value))),
          expected,
        );
      }),
      { numRuns: 300 },
    );
  });

  void it("write times and seqs as integers", () => {
    const [value] = bytesOf(readingsOutcome([{ name: "a", timeUs: startUs, value: true }], { first: 2 ** 40 }), "cbor");
    const text = Buffer.from(value as Uint8Array).toString("hex");
    assert.ok(text.includes(`${Buffer.from("seq").toString("hex")}1b0000010000000000`));
    assert.ok(text.includes(`${Buffer.from("timeUs").toString("hex")}1b${startUs.toString(16).padStart(16, "0")}`));
  });
});

void describe("batches", () => {
  void it("hold the block as it came, and read back as the same readings as JSON", () => {
    fc.assert(
      fc.property(anyOutcome, (outcome) => {
        const values = bytesOf(outcome, "batch");
        assert.deepEqual(
          values.flatMap((value) => [...readBatch(value)]),
          linesOf(outcome),
        );
        for (const [at, value] of values.entries()) {
          const { before, after, ...block } = outcome.block;
          assert.ok(before !== null && after !== null && outcome.body.kind === "readings");
          const span = outcome.spans[at] as { first: number; last: number };
          const read = decodeBatch(value);
          const bytes = Uint8Array.from(read.block.bytes);
          const expected = {
            ...span,
            lane,
            clock: outcome.body.clock,
            block: { ...block, bytes: Uint8Array.from(block.bytes) },
          };
          assert.deepEqual({ ...read, block: { ...read.block, bytes } }, expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  const outcome = readingsOutcome(
    Array.from({ length: 5 }, (_, at) => ({ name: "a", timeUs: startUs + at, value: at })),
    { first: 7 },
  );
  const { block } = outcome;
  const good = [1, "pump-17", "telemetry", lane.epoch, 8, 9, 7, 5, block.codec, block.rawBytes, block.crc, false];
  const value = (change: Record<number, unknown> = {}, ...more: unknown[]): Uint8Array => {
    const items = [...good, [1, integer(-3_600_000_000), "corrected"], block.bytes, ...more];
    return encodeCbor(items.map((item, at) => (at in change ? change[at] : item)));
  };

  void it("have the layout that RECORDS.md describes", () => {
    const clock = { segment: 1, offsetUs: -3_600_000_000, quality: "corrected" } as const;
    assert.deepEqual(encodeBatch({ lane, first: 8, last: 9, clock, block }), value());
    assert.deepEqual(
      [...readBatch(value())].map(({ seq, timeUs, value, clock }) => [seq, timeUs, value, clock]),
      [
        [8, startUs + 1, 1, "corrected"],
        [9, startUs + 2, 2, "corrected"],
      ],
    );
  });

  void it("that are none are refused as such, and later versions as too new", () => {
    const changes: Record<number, unknown>[] = [
      ...[0, -1, "1", null, 1.5].map((item) => ({ 0: item })),
      ...["", "Pump", null, 1].flatMap((item) => [{ 1: item }, { 2: item }, { 3: item }]),
      ...[6, 10, 12, 1e300, "8", null].flatMap((item) => [{ 4: item }]),
      ...[7, 12, -1, null].map((item) => ({ 5: item })),
      ...[0, 9, null, seqMax].map((item) => ({ 6: item })),
      ...[0, 1, 4, 6, 2 ** 41, null].map((item) => ({ 7: item })),
      ...[-1, "1", null, 0.5].flatMap((item) => [{ 8: item }, { 9: item }, { 10: item }]),
      { 9: 5_000_000 },
      { 10: block.crc ^ 1 },
      ...[0, 1, null].map((item) => ({ 11: item })),
      ...[null, [], [1, 0], [1, 0, "good"], [-1, 0, "synced"], [1, 0.5, "synced"], [1, 0, "synced", 0]].map((item) => ({
        12: item,
      })),
      ...[null, "text", block.bytes.subarray(1), new Uint8Array()].map((item) => ({ 13: item })),
    ];
    for (const change of changes) {
      assert.throws(() => [...readBatch(value(change))], { name: "Fault", code: "damaged" }, JSON.stringify(change));
    }
    for (const bytes of [value({}, 1), encodeCbor([]), encodeCbor("text"), new Uint8Array(), Buffer.from("{}")]) {
      assert.throws(() => [...readBatch(bytes)], { name: "Fault", code: "damaged" });
    }
    for (const bytes of [value({ 0: 2 }), value({ 0: 2 }, "more"), value({ 8: 99 })]) {
      assert.throws(() => [...readBatch(bytes)], { name: "Fault", code: "too-new" });
    }
    const large = value({ 13: new Uint8Array(blockBytesMax + 1_000) });
    assert.throws(() => [...readBatch(large)], { name: "Fault", code: "damaged" });
  });

  void it("with any bytes changed or cut off give readings or a fault, and nothing else", () => {
    const bytes = encodeBatch({ lane, first: 7, last: 11, clock: synced, block });
    const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), fc.nat({ max: bytes.length }), (changes, length) => {
        const broken = Uint8Array.from(bytes);
        for (const [at, byte] of changes) broken[at] = byte;
        const read = () => [...readBatch(length % 3 === 0 ? broken.subarray(0, length) : broken)];
        try {
          assert.ok(read().length <= 5);
        } catch (error) {
          assert.ok(error instanceof Fault, String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
