/** The line protocol parser: what Telegraf and its kin send, and every way in which a line can be wrong. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BodyFault } from "../../agent/inputs/formats/fault.ts";
import { createHeads } from "../../agent/inputs/formats/heads.ts";
import { createLineParser, type Precision } from "../../agent/inputs/formats/lines.ts";
import { Fault } from "../../shared/errors.ts";
import type { Reading } from "../../shared/reading.ts";

const nowUs = 1_780_000_000_000_000;
const parser = createLineParser(createHeads());
const parse = (text: string, precision: Precision = "ns"): Reading[] => parser(text, precision, nowUs);
const values = (text: string) => parse(text).map(({ value }) => value);

function faultOf(text: string): Fault {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "it was taken" });
}

void describe("line protocol", () => {
  void it("makes one reading of each field, with the tags as labels", () => {
    const timeUs = 1_780_000_000_123_456;
    assert.deepEqual(parse("weather,site=north,line=2 temp=21.5,ok=t 1780000000123456789\n"), [
      { name: "weather.temp", labels: { site: "north", line: "2" }, timeUs, stamped: false, value: 21.5 },
      { name: "weather.ok", labels: { site: "north", line: "2" }, timeUs, stamped: false, value: true },
    ]);
  });

  void it("stamps points without a time with the agent's clock", () => {
    assert.deepEqual(parse("m f=1"), [{ name: "m.f", timeUs: nowUs, stamped: true, value: 1 }]);
  });

  void it("reads every kind of value", () => {
    assert.deepEqual(values("m a=1,b=-2.5,c=1e3,d=.5,e=+7,f=3i,g=4u,h=-5i,i=T,j=false"), [
      1,
      -2.5,
      1000,
      0.5,
      7,
      3,
      4,
      -5,
      true,
      false,
    ]);
    assert.deepEqual(values('m a="",b="x y,z=1",c="say \\"hi\\" \\\\ \\n"'), ["", "x y,z=1", 'say "hi" \\ \\n']);
  });

  void it("reads escapes, comments, blank lines, CRLF and texts over several lines", () => {
    const text = '# a comment\r\n\r\n  my\\ m\\,x,ta\\=g=va\\ l\\,ue f\\ 1="two\nlines",g=2  1000000000 \r\nm f=1';
    assert.deepEqual(parse(text), [
      { name: "my m,x.f 1", labels: { "ta=g": "va l,ue" }, timeUs: 1e6, stamped: false, value: "two\nlines" },
      { name: "my m,x.g", labels: { "ta=g": "va l,ue" }, timeUs: 1e6, stamped: false, value: 2 },
      { name: "m.f", timeUs: nowUs, stamped: true, value: 1 },
    ]);
  });

  void it("does not mistake one field for another of the same series", () => {
    const names = (text: string) => parse(text).map(({ name }) => name);
    assert.deepEqual(names("m a=1,b=2\nm b=1,a=2\nm ab=1\nm a=1,bc=2"), [
      "m.a",
      "m.b",
      "m.b",
      "m.a",
      "m.ab",
      "m.a",
      "m.bc",
    ]);
  });

  for (const [precision, time] of [
    ["ns", "1780000000000000999"],
    ["us", "1780000000000000"],
    ["ms", "1780000000000"],
    ["s", "1780000000"],
  ] as const) {
    void it(`reads times in ${precision}`, () => assert.equal(parse(`m f=1 ${time}`, precision)[0]?.timeUs, nowUs));
  }

  void it("reads every double exactly as JavaScript does", () => {
    const written = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.tuple(fc.integer(), fc.nat({ max: 10 ** 9 })).map(([whole, part]) => `${whole}.${part}`),
    );
    fc.assert(
      fc.property(written, (token) => {
        assert.ok(Object.is(values(`m f=${token}`)[0], Number(token)), token);
      }),
      { numRuns: 1_000 },
    );
  });

  void it("takes what it is given back as it was written", () => {
    const part = fc.string({ unit: fc.constantFrom(...'ab ,="#é\\'.split("")), minLength: 1, maxLength: 6 });
    // A backslash at the end would escape what follows it; the protocol cannot write that.
    const key = part.filter((text) => !/\\$|\\[ ,=]|^#/.test(text));
    const escaped = (text: string) => text.replace(/[ ,=]/g, "\\$&");
    const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true, max: 1e300 }), fc.boolean(), part);
    const write = (field: unknown) =>
      typeof field === "string" ? `"${field.replace(/["\\]/g, "\\$&")}"` : String(field);
    fc.assert(
      fc.property(
        key,
        fc.dictionary(key, key, { maxKeys: 3 }),
        fc.array(fc.tuple(key, value), { minLength: 1 }),
        fc.nat(),
        (measurement, tags, fields, timeUs) => {
          const head = [
            measurement.replace(/[ ,]/g, "\\$&"),
            ...Object.entries(tags).map(([k, v]) => `${escaped(k)}=${escaped(v)}`),
          ];
          // An equals sign needs no backslash in a measurement, but may have none before it either.
          fc.pre(!measurement.includes("="));
          const line = `${head.join(",")} ${fields.map(([k, v]) => `${escaped(k)}=${write(v)}`).join(",")} ${timeUs}`;
          const labels = Object.keys(tags).length === 0 ? {} : { labels: tags };
          const expected = fields.map(([k, v]) => ({
            name: `${measurement}.${k}`,
            ...labels,
            timeUs,
            stamped: false,
            value: v,
          }));
          const plain = (readings: unknown[]) => readings.map((row) => JSON.parse(JSON.stringify(row)) as unknown);
          assert.deepEqual(plain(parse(line, "us")), plain(expected));
        },
      ),
      { numRuns: 500 },
    );
  });

  void it("never fails otherwise than by a Fault with a place inside the text", () => {
    const junk = fc.string({ unit: fc.constantFrom(...'mf=1,i"\\ \nt#.e-9'.split("")) });
    fc.assert(
      fc.property(junk, (text) => {
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof BodyFault, String(error));
          assert.ok(error.place.line >= 1 && error.place.line <= text.split("\n").length);
          assert.ok(error.place.column >= 1 && error.place.column <= text.length + 2);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  const refused: [what: string, text: string, why: RegExp][] = [
    ["NaN", "m f=NaN", /not a finite/],
    ["+Inf", "m f=+Inf", /not a finite/],
    ["-infinity", "m f=-infinity", /not a finite/],
    ["a literal that is infinite", "m f=1e400", /not a finite/],
    ["an integer of 2^53 + 1", "m f=9007199254740993i", /2\^53/],
    ["an unsigned integer of 2^64 - 1", "m f=18446744073709551615u", /2\^53/],
    ["a negative unsigned integer", "m f=-1u", /negative/],
    ["a time before 1970", "m f=1 -1000", /outside 1970/],
    ["a time after 2200", "m f=1 7258118400000001000", /outside 1970/],
    ["a time of a million digits", `m f=1 ${"9".repeat(1_000_000)}`, /outside 1970/],
    ["a time that is no integer", "m f=1 1.5", /not an integer/],
    ["a line without fields", "m\n", /no field/],
    ["a field without a value", "m f=", /no number/],
    ["a field without a key", "m =1", /"key=value"/],
    ["a comma without a field", "m f=1,", /"key=value"/],
    ["a tag without a value", "m,t= f=1", /no key or no value/],
    ["a tag without an equals sign", "m,t f=1", /no key or no value/],
    ["a tag twice", "m,t=1,t=2 f=1", /twice/],
    ["a tag with two equals signs", "m,t=1=2 f=1", /second "="/],
    ["no measurement", ",t=1 f=1", /measurement is missing/],
    ["an open text", 'm f="abc', /no closing quote/],
    ["a text with a tail", 'm f="abc"d', /"," or a blank/],
    ["a bare word", "m f=abc", /no number/],
    ["a third part", "m f=1 1000 x", /over before this/],
    ["a name of 10 MB", `${"m".repeat(10_000_000)} f=1`, /at most 1024/],
    ["a field name of 10 MB", `m ${"f".repeat(10_000_000)}=1`, /at most 1024/],
    ["a tag of 10 MB", `m,t=${"x".repeat(10_000_000)} f=1`, /bytes long/],
    ["a text of 10 MB", `m f="${"x".repeat(10_000_000)}"`, /bytes long/],
    ["10 MB of quotes and backslashes", `m f="${'\\"'.repeat(5_000_000)}`, /no closing quote/],
  ];
  for (const [what, text, why] of refused) {
    void it(`refuses ${what}`, () => assert.match(faultOf(text).why ?? "", why));
  }

  void it("names line and column of a fault", () => {
    const fault = faultOf("# first\nm f=1 1000\nm f=1,g=oops 1000\n");
    assert.ok(fault instanceof BodyFault);
    assert.deepEqual(fault.place, { line: 3, column: 9 });
  });

  void it("refuses more readings than one body may hold", () => {
    assert.equal(faultOf("m f=1\n".repeat(100_001)).code, "too-large");
  });
});
