/** The parsers behind the HTTP input: what they take, what they refuse, and where they say the fault lies. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BodyFault } from "../../agent/inputs/formats/fault.ts";
import { createHeads } from "../../agent/inputs/formats/heads.ts";
import { parseNdjson, parseReadings } from "../../agent/inputs/formats/json.ts";
import { jsonFault } from "../../agent/inputs/formats/json-scan.ts";
import { parseSenml } from "../../agent/inputs/formats/senml.ts";
import { rfc3339Us } from "../../agent/inputs/formats/time.ts";
import { Fault } from "../../shared/errors.ts";
import { nameBytesMax } from "../../shared/limits.ts";
import type { Reading } from "../../shared/reading.ts";

const nowUs = 1_780_000_000_000_000;
const heads = createHeads();
const json = (text: string) => parseReadings(text, heads, nowUs);
const ndjson = (text: string) => parseNdjson(text, heads, nowUs);
const senml = (rows: unknown) => parseSenml(JSON.stringify(rows), heads, nowUs);

function faultOf(action: () => unknown): Fault {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "it was taken" });
}

const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
const reading = fc.record(
  {
    name,
    unit: fc.constantFrom("Cel", "%", "B"),
    labels: fc.dictionary(name, name, { minKeys: 1, maxKeys: 4 }),
    timeUs: fc.integer({ min: 0, max: 7_258_118_400_000_000 }),
    value: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.string({ unit: "grapheme" })),
  },
  { requiredKeys: ["name", "timeUs", "value"] },
);

void describe("JSON", () => {
  void it("takes every reading that it can write, and NDJSON takes the same", () => {
    fc.assert(
      fc.property(fc.array(reading), (readings) => {
        // What JSON cannot hold, -0 and prototypes without Object's, is levelled first.
        const sent = JSON.parse(JSON.stringify(readings)) as Reading[];
        const expected = sent.map((row) => ({ ...row, stamped: false }));
        const suspicious = sent.some((row) => /^-?\d{16,}$/.test(JSON.stringify(row.value)));
        fc.pre(!suspicious);
        assert.deepEqual(JSON.parse(JSON.stringify(json(JSON.stringify(sent)))), expected);
        assert.deepEqual(ndjson(sent.map((row) => JSON.stringify(row)).join("\r\n")), json(JSON.stringify(sent)));
      }),
      { numRuns: 200 },
    );
  });

  void it("stamps readings without a time with the agent's clock", () => {
    assert.deepEqual(json('{"name":"a","value":1}'), [{ name: "a", timeUs: nowUs, stamped: true, value: 1 }]);
  });

  void it("keeps a label called __proto__ and pollutes nothing", () => {
    const [taken] = json('{"name":"a","labels":{"__proto__":"x"},"value":1}');
    assert.deepEqual(Object.entries(taken?.labels ?? {}), [["__proto__", "x"]]);
    assert.equal(({} as { x?: string }).x, undefined);
  });

  void it("shares the labels of one series, so that a store can know it by identity", () => {
    const row = '{"name":"shared","labels":{"a":"1","b":"2"},"value":1}';
    const [first, second] = ndjson(`${row}\n${row}`);
    assert.equal(first?.labels, second?.labels);
  });

  const refused: [what: string, text: string, why: RegExp][] = [
    ["NaN", '{"name":"a","value":NaN}', /no NaN/],
    ["-Infinity", '{"name":"a","value":-Infinity}', /no NaN and no Infinity/],
    ["a literal that is infinite", '{"name":"a","value":1e400}', /not a finite/],
    ["null", '{"name":"a","value":null}', /no "value"/],
    ["a time before 1970", '{"name":"a","time":"1969-12-31T23:59:59Z","value":1}', /outside 1970/],
    ["a time after 2200", '{"name":"a","timeUs":7258118400000001,"value":1}', /outside 1970/],
    ["a time that is no RFC 3339", '{"name":"a","time":"yesterday","value":1}', /RFC 3339/],
    ["a number as time", '{"name":"a","time":1780000000,"value":1}', /timeUs/],
    ["two times", '{"name":"a","time":"2026-01-01T00:00:00Z","timeUs":1,"value":1}', /both/],
    ["an integer of 2^53 + 1", '{"name":"a","value":9007199254740993}', /2\^53/],
    ["an integer of -2^60", '{"name":"a","value":-1152921504606846976}', /2\^53/],
    ["an unknown key", '{"name":"a","lables":{},"value":1}', /unknown key "lables"/],
    ["a number as name", '{"name":1,"value":1}', /"name"/],
    ["an empty name", '{"name":"","value":1}', /name is empty/],
    ["a number as label", '{"name":"a","labels":{"x":1},"value":1}', /label is not text/],
    ["null labels", '{"name":"a","labels":null,"value":1}', /not an object/],
    ["half a surrogate pair", '{"name":"a\\ud800","value":1}', /surrogate/],
    ["half a surrogate pair as value", '{"name":"a","value":"\\udc00"}', /surrogate/],
    ["a name of 10 MB", `{"name":"${"x".repeat(10_000_000)}","value":1}`, new RegExp(`at most ${nameBytesMax}`)],
    ["a label of 10 MB", `{"name":"a","labels":{"x":"${"x".repeat(10_000_000)}"},"value":1}`, /bytes long/],
    ["a text of 10 MB", `{"name":"a","value":"${"x".repeat(10_000_000)}"}`, /bytes long/],
    ["8 MB of opening brackets", "[".repeat(8_000_000), /nested deeper than 8/],
    ["8 MB of nested objects", '{"a":'.repeat(1_600_000), /nested deeper than 8/],
    ["balanced nesting", "[".repeat(5_000) + "]".repeat(5_000), /nested deeper than 8/],
    ["a number alone", "1", /not a JSON object/],
    ["an array in the array", "[[]]", /not a JSON object/],
    ["nothing", "", /ends too early/],
  ];
  for (const [what, text, why] of refused) {
    void it(`refuses ${what}`, () => {
      assert.match(faultOf(() => json(text)).why ?? "", why);
    });
  }

  void it("refuses more readings than one body may hold", () => {
    const row = '{"name":"a","value":1}';
    const rows = new Array<string>(100_001).fill(row);
    assert.equal(faultOf(() => json(`[${rows.join(",")}]`)).code, "too-large");
    assert.equal(faultOf(() => ndjson(rows.join("\n"))).code, "too-large");
  });

  void it("takes floats beyond 2^53, since they are not integers", () => {
    const text = '[{"name":"a","value":1.5e300},{"name":"a","value":9007199254740993.0}]';
    assert.deepEqual(
      json(text).map(({ value }) => value),
      [1.5e300, 9007199254740992],
    );
  });

  void it("names line and column of a syntax error", () => {
    const fault = faultOf(() => json('[\n  {"name":"a" "value":1}\n]'));
    assert.ok(fault instanceof BodyFault);
    assert.deepEqual(fault.place, { line: 2, column: 15 });
  });

  void it("finds a fault exactly where JSON.parse refuses", () => {
    const junk = fc.string({ unit: fc.constantFrom(...'[]{}:,"\\ntrue1.e-0 \t\n'.split("")) });
    fc.assert(
      fc.property(fc.oneof(junk, fc.json({ maxDepth: 3 })), fc.nat(), (text, cut) => {
        const sample = cut % 2 === 0 ? text : text.slice(0, cut % (text.length + 1));
        let parsed = true;
        try {
          JSON.parse(sample);
        } catch {
          parsed = false;
        }
        // The scan refuses two things that JSON.parse does not: large integers and deep nesting.
        fc.pre(!/\d{16}|[[{][^\]}]*[[{][^\]}]*[[{][^\]}]*[[{][^\]}]*[[{]/.test(sample));
        assert.equal(jsonFault(sample) === undefined, parsed, sample);
      }),
      { numRuns: 2_000 },
    );
  });
});

void describe("NDJSON", () => {
  const good = '{"name":"a","value":1}';
  for (const [what, lines] of [
    ["two values on a line", `${good},${good}\n${good}`],
    ["brackets that only fit when joined", `${good}],[${good}`],
    ["an object over two lines", '{"name":"a",\n"value":1}'],
    ["an array over two lines", `[${good}\n${good}]`],
    ["a newline in a text", '{"name":"a\nb","value":1}'],
  ] as const) {
    void it(`refuses ${what}`, () => assert.equal(faultOf(() => ndjson(lines)).code, "bad-input"));
  }

  void it("skips blank lines and counts them", () => {
    assert.equal(ndjson(`\n${good}\n \r\n${good}\n\n`).length, 2);
    const fault = faultOf(() => ndjson(`\n${good}\n\n{"name":"a","value":}\n`));
    assert.ok(fault instanceof BodyFault);
    assert.deepEqual(fault.place, { line: 4, column: 21 });
  });

  void it("agrees with each line parsed for itself, whatever the lines hold", () => {
    const line = fc.oneof(
      fc.constant(good),
      fc.string(),
      fc.constantFrom("]", "[", ",", "1,2", "],[", "{}", "null", ""),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const whole = lines.join("\n");
        const single = whole.split("\n").filter((part) => part.trim() !== "");
        const takes = (action: () => unknown) => {
          try {
            action();
            return true;
          } catch (error) {
            assert.ok(error instanceof Fault, String(error));
            return false;
          }
        };
        const each = single.every((part) => !part.startsWith("[") && takes(() => json(part)));
        assert.equal(
          takes(() => ndjson(whole)),
          each,
        );
      }),
      { numRuns: 500 },
    );
  });
});

void describe("RFC 3339", () => {
  void it("agrees with Date on every ms", () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date("2200-01-01T00:00:00Z"), noInvalidDate: true }), (date) => {
        assert.equal(rfc3339Us(date.toISOString()), date.getTime() * 1_000);
      }),
    );
  });

  void it("takes zones, µs, leap days and leap seconds, and cuts off what lies below a µs", () => {
    assert.equal(rfc3339Us("2026-11-20T09:00:00+01:30"), Date.UTC(2026, 10, 20, 7, 30) * 1_000);
    assert.equal(rfc3339Us("2026-11-20t09:00:00.123456789z"), Date.UTC(2026, 10, 20, 9) * 1_000 + 123_456);
    assert.equal(rfc3339Us("2024-02-29 00:00:00-00:00"), Date.UTC(2024, 1, 29) * 1_000);
    assert.equal(rfc3339Us("2016-12-31T23:59:60Z"), Date.UTC(2017, 0, 1) * 1_000);
  });

  for (const text of [
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:00",
    "2026-01-01",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00+1:00",
    "20260101T000000Z",
    "2026-01-01T00:00:00Zz",
    "",
  ]) {
    void it(`refuses "${text}"`, () => assert.ok(Number.isNaN(rfc3339Us(text))));
  }
});

void describe("SenML", () => {
  void it("resolves base fields, units and absolute times", () => {
    const taken = senml([
      { bn: "plant/", bt: 1_780_000_000, bu: "Cel", bv: 20, n: "t", v: 1.5 },
      { n: "t", t: 10.25, v: 2 },
      { n: "door", u: "lock", vb: true },
      { bn: "other/", n: "note", vs: "hello" },
      { n: "raw", vd: "AQID" },
    ]);
    assert.deepEqual(taken, [
      { name: "plant/t", unit: "Cel", timeUs: 1_780_000_000_000_000, stamped: false, value: 21.5 },
      { name: "plant/t", unit: "Cel", timeUs: 1_780_000_010_250_000, stamped: false, value: 22 },
      { name: "plant/door", unit: "lock", timeUs: 1_780_000_000_000_000, stamped: false, value: true },
      { name: "other/note", unit: "Cel", timeUs: 1_780_000_000_000_000, stamped: false, value: "hello" },
      {
        name: "other/raw",
        unit: "Cel",
        timeUs: 1_780_000_000_000_000,
        stamped: false,
        value: new Uint8Array([1, 2, 3]),
      },
    ]);
  });

  void it("resolves times below 2^28 against the agent's clock before it judges them", () => {
    const [past, now] = senml([
      { n: "a", t: -5, v: 1 },
      { n: "a", v: 1 },
    ]);
    assert.deepEqual(past, { name: "a", timeUs: nowUs - 5_000_000, stamped: true, value: 1 });
    assert.equal(now?.timeUs, nowUs);
  });

  const refused: [what: string, rows: unknown, why: RegExp][] = [
    ["a sum", [{ n: "a", s: 1 }], /sums/],
    ["a base sum", [{ bs: 1 }, { n: "a", v: 1 }], /sums/],
    ["a relative time before 1970", [{ n: "a", t: -2e9, v: 1 }], /outside 1970/],
    ["a time after 2200", [{ n: "a", t: 8e9, v: 1 }], /outside 1970/],
    ["a field that must be understood", [{ n: "a", v: 1, must_: 1 }], /must be understood/],
    ["two values", [{ n: "a", v: 1, vs: "x" }], /more than one value/],
    ["no value", [{ n: "a" }], /no value/],
    ["no name", [{ v: 1 }], /name is empty/],
    ["bytes that are no base64url", [{ n: "a", vd: "!" }], /base64url/],
    ["text as number", [{ n: "a", v: "1" }], /not a number/],
    ["a newer version", [{ bver: 11, n: "a", v: 1 }], /version 11/],
    ["an object", { n: "a", v: 1 }, /array/],
  ];
  for (const [what, rows, why] of refused) {
    void it(`refuses ${what}`, () => assert.match(faultOf(() => senml(rows)).why ?? "", why));
  }

  void it("refuses an integer beyond 2^53, even where the base value brings it back", () => {
    const fault = faultOf(() => parseSenml('[{"bv":-9007199254740000,"n":"a","v":9007199254740993}]', heads, nowUs));
    assert.match(fault.why ?? "", /2\^53/);
  });

  void it("never fails otherwise than by a Fault", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          senml([value]);
          json(JSON.stringify(value));
        } catch (error) {
          assert.ok(error instanceof Fault, String(error));
        }
      }),
    );
  });
});
