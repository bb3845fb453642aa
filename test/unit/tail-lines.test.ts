/** Lines and their parts, and the readings that they become. */
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, test } from "node:test";
import fc from "fast-check";
import { chunkBuffer, readChunk } from "../../agent/inputs/tail/file.ts";
import { cutLines, type Piece, partBytesMax } from "../../agent/inputs/tail/lines.ts";
import { createPieceReader, type LineFormat, patternBytesMax } from "../../agent/inputs/tail/readings.ts";
import { readingFault } from "../../shared/reading.ts";

const whole = (text: string | Buffer): Piece => ({ bytes: Buffer.from(text), part: 0, last: true });
const texts = (pieces: readonly Piece[]) => pieces.map(({ bytes }) => bytes.toString());

void describe("lines", () => {
  void it("need their newline, and lose a carriage return", () => {
    const { pieces, sizeBytes } = cutLines(Buffer.from("a\r\n\nb\r\r\nhalf"), 0, false, 100);
    assert.deepEqual(texts(pieces), ["a", "", "b\r"]);
    assert.equal(sizeBytes, 8);
  });

  void it("need none at the end of a finished file", () => {
    assert.deepEqual(texts(cutLines(Buffer.from("a\nhalf"), 0, true, 100).pieces), ["a", "half"]);
    assert.deepEqual(texts(cutLines(Buffer.from("a\n"), 0, true, 100).pieces), ["a"]);
    assert.deepEqual(cutLines(Buffer.alloc(0), 0, true, 100).pieces, []);
  });

  void it("are whole up to the limit, and come in numbered parts beyond it", () => {
    const atLimit = cutLines(Buffer.from(`${"x".repeat(partBytesMax)}\n`), 0, false, 100);
    assert.deepEqual(
      atLimit.pieces.map(({ part, last }) => [part, last]),
      [[0, true]],
    );
    const beyond = cutLines(Buffer.from(`${"x".repeat(2 * partBytesMax + 1)}\ny\n`), 0, false, 100);
    assert.deepEqual(
      beyond.pieces.map(({ bytes, part, last }) => [bytes.length, part, last]),
      [
        [partBytesMax, 1, false],
        [partBytesMax, 2, false],
        [1, 3, true],
        [1, 0, true],
      ],
    );
  });

  void it("come out the same however the bytes are cut up, and nothing gets lost", () => {
    const line = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 20 }),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10 && byte !== 13))),
      fc.integer({ min: partBytesMax - 2, max: 3 * partBytesMax }).map((length) => "é".repeat(length / 2)),
    );
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1 }),
        (lines, steps) => {
          const clean = lines.map((text) =>
            Buffer.from(typeof text === "string" ? text.replace(/[\r\n]/g, " ") : text),
          );
          const file = Buffer.concat(clean.flatMap((bytes) => [bytes, Buffer.from("\n")]));
          const seen: Buffer[][] = [[]];
          let [offset, part, turn] = [0, 0, 0];
          for (let end = 0; offset < file.length; ) {
            // As the file grows, some bytes are new; what was not consumed is read again.
            end = Math.min(file.length, end + (steps[turn++ % steps.length] ?? 1));
            const cut = cutLines(file.subarray(offset, end), part, false, 3);
            for (const { bytes, last } of cut.pieces) {
              assert.ok(bytes.length <= partBytesMax);
              seen.at(-1)?.push(bytes);
              if (last) seen.push([]);
            }
            offset += cut.sizeBytes;
            part = cut.part;
          }
          assert.deepEqual(
            seen.slice(0, -1).map((parts) => Buffer.concat(parts).toString("hex")),
            clean.map((bytes) => bytes.toString("hex")),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  void it("are cut between characters", () => {
    const text = "€".repeat(partBytesMax);
    const { pieces } = cutLines(Buffer.from(`${text}\n`), 0, false, 100);
    assert.equal(texts(pieces).join(""), text);
  });
});

void describe("readings of lines", () => {
  const read = (format: LineFormat, piece: Piece | string) =>
    createPieceReader("app", format)(typeof piece === "string" ? whole(piece) : piece, "/f", 5).map(
      ({ name, labels, value, timeUs, stamped }) => {
        assert.deepEqual([timeUs, stamped], [5, true]);
        return [name, labels, value];
      },
    );
  const file = { file: "/f" };

  void it("are texts by default, and bytes where a line is no UTF-8", () => {
    assert.deepEqual(read("text", "hello é"), [["app", file, "hello é"]]);
    const junk = Buffer.from([0xff, 0x00, 0x41]);
    assert.deepEqual(read("text", whole(junk)), [["app", file, new Uint8Array(junk)]]);
  });

  void it("number the parts of a line", () => {
    const bytes = Buffer.from("x");
    assert.deepEqual(read("json", { bytes, part: 1, last: false }), [["app", { ...file, part: "1" }, "x"]]);
    assert.deepEqual(read("json", { bytes, part: 2, last: true }), [
      ["app", { ...file, part: "2", last: "true" }, "x"],
    ]);
  });

  void it("take the fields of JSON, and leave as text what is none", () => {
    assert.deepEqual(read("json", '{"level":"warn","ms":1.5,"ok":true,"none":null,"tags":["a"]}'), [
      ["app.level", file, "warn"],
      ["app.ms", file, 1.5],
      ["app.ok", file, true],
      ["app.tags", file, '["a"]'],
    ]);
    const texts = [
      "plain",
      "{broken",
      "{}",
      "[1]",
      '{"id":9007199254740993}',
      '{"x":1e400}',
      '{"a":"\\ud800"}',
      "[".repeat(50_000),
      `{"a":${"[".repeat(20)}${"]".repeat(20)}}`,
      `{"${"n".repeat(2_000)}":1}`,
      JSON.stringify(Object.fromEntries(Array.from({ length: 65 }, (_, key) => [`k${key}`, key]))),
    ];
    for (const text of texts) assert.deepEqual(read("json", text), [["app", file, text]]);
  });

  void it("take the named groups of an expression, numbers where they are some", () => {
    const format = /^(?<host>\S+) (?<status>\d+) (?<seconds>[\d.]+)(?: (?<note>\w+))?$/g;
    const expected = [
      ["app.host", file, "web1"],
      ["app.status", file, 200],
      ["app.seconds", file, 0.25],
    ];
    assert.deepEqual(read(format, "web1 200 0.25"), expected);
    assert.deepEqual(read(format, "web1 200 0.25"), expected, "also the second time");
    assert.deepEqual(read(format, "web1 9007199254740993 1.2.3"), [
      ["app.host", file, "web1"],
      ["app.status", file, "9007199254740993"],
      ["app.seconds", file, "1.2.3"],
    ]);
    assert.deepEqual(read(format, "something else"), [["app", file, "something else"]]);
    const long = `web1 200 ${"1".repeat(patternBytesMax)}`;
    assert.deepEqual(read(format, long), [["app", file, long]]);
  });

  void it("are valid whatever the bytes are", () => {
    const formats = fc.constantFrom<LineFormat>("text", "json", /^(?<a>.)(?<b>.*)$/);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(formats, bytes, (format, line) => {
        const readings = createPieceReader("app", format)(whole(Buffer.from(line)), "/f", 5);
        assert.ok(readings.length > 0);
        for (const reading of readings) assert.equal(readingFault(reading), undefined);
      }),
    );
  });
});

void test("reads on in a file of many gigabytes, with one chunk in memory", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-large-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "large.log");
  const offset = 5 * 2 ** 30;
  // A hole: the file system keeps nothing of it.
  writeFileSync(path, "");
  truncateSync(path, offset);
  appendFileSync(path, "first\nsecond\nhalf");
  const handle = await open(path);
  t.after(() => handle.close());
  const buffer = chunkBuffer();
  const place = { offset, part: 0, head: Buffer.alloc(1_024), before: Buffer.alloc(256) };
  const chunk = await readChunk(handle, place, false, buffer);
  assert.ok(chunk !== "replaced");
  assert.deepEqual(
    chunk.pieces.map(({ bytes }) => Buffer.from(bytes).toString()),
    ["first", "second"],
  );
  assert.equal(chunk.next.offset, offset + 13);
  appendFileSync(path, " done\n");
  const more = await readChunk(handle, chunk.next, false, buffer);
  assert.ok(more !== "replaced");
  assert.deepEqual([more.pieces.length, more.next.offset], [1, offset + 23]);
});
