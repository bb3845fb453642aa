import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Compile } from "typebox/schema";
import { encodeLines, lineTexts } from "../../gateway/queue/lines.ts";
import type { Outcome } from "../../gateway/queue/queue.ts";
import { timeFormatter } from "../../gateway/queue/times.ts";
import { timeUsMax } from "../../shared/limits.ts";
import { blockOf, deadLetter, type Line, laneOf, loss, readings, startUs } from "../fakes/outcomes.ts";

const schemaPath = new URL("../../gateway/queue/line.schema.json", import.meta.url);
const schema = Compile(JSON.parse(readFileSync(schemaPath, "utf8")));
const lane = laneOf("pump-17");

/** The parsed lines, each checked against the schema that we publish. */
function linesOf(...outcomes: Outcome[]): Line[] {
  return [...lineTexts(outcomes)].map((text) => {
    assert.ok(text.endsWith("}\n") && text.indexOf("\n") === text.length - 1, "one line each");
    const line = JSON.parse(text) as Line;
    assert.ok(schema.Check(line), text);
    return line;
  });
}

/** Copies of the chunks: each is a view that the next one overwrites. */
function chunksOf(outcome: Outcome, sizeBytes: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (const chunk of encodeLines([outcome], Buffer.alloc(sizeBytes))) chunks.push(Buffer.from(chunk));
  return chunks;
}

type ReadingsBody = Extract<Outcome["body"], { kind: "readings" }>;

function withBody(outcome: Outcome, change: (body: ReadingsBody) => Partial<ReadingsBody>): Outcome {
  const body = outcome.body as ReadingsBody;
  return { ...outcome, body: { ...body, ...change(body) } };
}

function withSeries(outcome: Outcome, more: Partial<ReadingsBody["columns"]["series"][number]>): Outcome {
  return withBody(outcome, ({ columns }) => ({
    columns: { ...columns, series: columns.series.map((series) => ({ ...series, ...more })) },
  }));
}

void describe("the lines of the queue", () => {
  void it("a reading is written as FORMAT.md shows it, byte for byte", () => {
    assert.deepEqual(
      [...lineTexts([readings(lane, 41, [20.5])])],
      [
        '{"kind":"reading","agent":"pump-17","stream":"telemetry","epoch":"0123456789abcdef","seq":41,' +
          '"time":"2026-01-02T03:04:05.678901Z","timeUs":1767323045678901,"name":"temperature","unit":"Cel",' +
          '"labels":{"site":"north"},"value":20.5,"clock":"synced"}\n',
      ],
    );
  });

  void it("every kind of value comes back as it was", () => {
    const values = [0, -0, 0.1, -1e300, 5e-324, 2 ** 53 - 1, "", 'a "b"\n\\ \u2028 é 😀 \u0000', true, false];
    const lines = linesOf(readings(lane, 1, [...values, Uint8Array.of(0, 255, 10)]));
    assert.deepEqual(
      lines.slice(0, -1).map((line) => line.value),
      values,
    );
    assert.equal(lines.at(-1)?.valueBase64, "AP8K");
    assert.equal("value" in (lines.at(-1) as Line), false);
  });

  void it("any readings come back as they were, in chunks of whole lines", () => {
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.boolean(),
      fc.uint8Array({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(fc.array(value, { maxLength: 50 }), fc.integer({ min: 1, max: 3000 }), (values, size) => {
        const outcome = readings(lane, 1, values);
        const chunks = chunksOf(outcome, size);
        assert.ok(chunks.every((chunk) => chunk.at(-1) === 0x0a));
        const lines = Buffer.concat(chunks).toString("utf8").split("\n").slice(0, -1);
        const parsed = lines.map((text) => JSON.parse(text) as Line);
        const back = parsed.map((line) =>
          line.valueBase64 === undefined ? line.value : new Uint8Array(Buffer.from(line.valueBase64, "base64")),
        );
        assert.deepEqual(back, values);
      }),
      { numRuns: 60 },
    );
  });

  void it("a chunk buffer smaller than a line, and one that fills up, lose nothing", () => {
    const outcome = readings(
      lane,
      1,
      Array.from({ length: 300 }, (_, i) => "é".repeat(i * 10)),
    );
    const whole = [...lineTexts([outcome])].join("");
    for (const size of [10, 70_000, 10_000_000]) {
      const chunks = chunksOf(outcome, size);
      assert.ok(Buffer.concat(chunks).toString("utf8") === whole, `a buffer of ${size} bytes`);
    }
    assert.deepEqual([...encodeLines([], Buffer.alloc(100))], []);
  });

  void it("the clock's offset moves stamped times, and only those", () => {
    const clock = { segment: 3, offsetUs: 2_500_000, quality: "corrected" } as const;
    const stamped = withBody(readings(lane, 1, [1]), () => ({ clock }));
    assert.deepEqual(pick(linesOf(stamped)), [
      startUs + 2_500_000,
      "2026-01-02T03:04:08.178901Z",
      "corrected",
      undefined,
    ]);
    const sensor = withSeries(stamped, { stamped: false });
    assert.deepEqual(pick(linesOf(sensor)), [startUs, "2026-01-02T03:04:05.678901Z", "corrected", true]);
  });

  void it("an offset that leads out of all possible times is not applied, and the line says unsynced", () => {
    for (const offsetUs of [-2 * startUs, timeUsMax, 0.5, Number.NaN]) {
      const clock = { segment: 3, offsetUs, quality: "corrected" } as const;
      const outcome = withBody(readings(lane, 1, [1]), () => ({ clock }));
      assert.deepEqual(pick(linesOf(outcome)), [startUs, "2026-01-02T03:04:05.678901Z", "unsynced", undefined]);
    }
  });

  void it("unit, labels and the mark of repetition stand there only where they are known", () => {
    const bare = withSeries(readings(lane, 1, [1]), { unit: undefined, labels: undefined });
    const [line] = linesOf(bare);
    assert.deepEqual(Object.keys(line as Line), "kind agent stream epoch seq time timeUs name value clock".split(" "));
    const [again] = linesOf(withBody(bare, () => ({ repeated: true })));
    assert.deepEqual(again, { ...line, repeated: true });
  });

  void it("loss records name their seqs and the times that are known, one line a span", () => {
    const spans = [
      { first: 1, last: 2 ** 40 },
      { first: 2 ** 50, last: 2 ** 50 },
    ];
    const [line, second] = linesOf(loss(lane, spans));
    assert.deepEqual(line, {
      kind: "loss",
      ...lane,
      firstSeq: 1,
      lastSeq: 2 ** 40,
      count: 2 ** 40,
      reason: "quota",
      from: "2026-01-02T03:04:05.678901Z",
      fromUs: startUs,
    });
    assert.equal(second?.firstSeq, 2 ** 50);
  });

  void it("a dead letter carries the bytes as they came", () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => i);
    const body = deadLetter(3, 7, { reason: 'the block says "no"', codec: 7, bytes, repeated: true });
    const [line] = linesOf({ lane, spans: [{ first: 5, last: 9 }], block: blockOf(3, 7), body });
    assert.equal(line?.count, 5);
    assert.equal(line?.reason, 'the block says "no"');
    assert.deepEqual(new Uint8Array(Buffer.from(line?.payloadBase64 ?? "", "base64")), bytes);
  });

  void it("a dead letter carries all that a replay needs", () => {
    for (const repeated of [true, false]) {
      const body = deadLetter(3, 7, { repeated });
      const [line] = linesOf({ lane, spans: [{ first: 5, last: 9 }], block: blockOf(3, 7), body });
      assert.ok(line !== undefined);
      const { blockFirst: first, blockCount: count, codec, rawBytes, payloadBase64 } = line;
      const bytes = Buffer.from(payloadBase64 ?? "", "base64");
      const clock = { segment: line.clockSegment, offsetUs: line.clockOffsetUs, quality: line.clock };
      const read = { kind: "dead-letter", reason: line.reason, first, count, codec, rawBytes, bytes, clock };
      assert.deepEqual({ ...read, repeated: line.repeated === true }, body);
    }
  });

  void it("values and times that no reading can hold are refused", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => linesOf(readings(lane, 1, [1, value])), { name: "Fault", code: "bad-input" });
    }
    for (const timeUs of [-1, 0.5, Number.NaN, timeUsMax + 1]) {
      const outcome = withBody(readings(lane, 1, [1]), ({ columns }) => ({
        columns: { ...columns, timesUs: Float64Array.of(timeUs) },
      }));
      assert.throws(() => linesOf(outcome), { name: "Fault", code: "bad-input" });
    }
  });

  void it("times are those of Date, with the digits below the millisecond", () => {
    const format = timeFormatter();
    const time = fc.oneof(
      fc.integer({ min: 0, max: timeUsMax }),
      fc.integer({ min: startUs, max: startUs + 5_000_000 }),
    );
    fc.assert(
      fc.property(time, (timeUs) => {
        const [millis, micros] = [Math.floor(timeUs / 1000), timeUs % 1000];
        const expected = new Date(millis).toISOString().replace("Z", `${String(micros).padStart(3, "0")}Z`);
        assert.equal(format(timeUs), expected);
      }),
      { numRuns: 500 },
    );
    assert.equal(format(0), "1970-01-01T00:00:00.000000Z");
    assert.equal(format(timeUsMax), "2200-01-01T00:00:00.000000Z");
  });
});

function pick(lines: readonly Line[]): unknown[] {
  const [line] = lines as (Line & { sensorTime?: true })[];
  return [line?.timeUs, line?.time, line?.clock, line?.sensorTime];
}
