/** Arbitrary readings for property tests: every kind of value, time, label and mixture that an input may accept. */
import fc from "fast-check";
import { timeUsMax } from "../../shared/limits.ts";
import { type Reading, readingFault, type Value } from "../../shared/reading.ts";

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const control = fc.constantFrom(
  "\0",
  "\x01",
  "\x01\x02",
  "a\0b",
  "__proto__",
  "constructor",
  "10",
  "9",
  '"',
  "\ufffd",
  "😀",
);
const name = fc.oneof(text, control).map((name) => name || "n");

const anyNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.integer({ min: -100_000, max: 100_000 }).map((n) => n / 100),
  fc
    .tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: -70, max: 70 }))
    .map(([n, ulps]) => off(n / 1000, ulps)),
  fc.constantFrom(0, -0, 5e-324, -5e-324, 2.2e-308, 1.7976931348623157e308, 2 ** 53, -(2 ** 51), 74.93588199999998),
);

/** A number so many units in the last place away. */
function off(number: number, ulps: number): number {
  const bits = new BigInt64Array(new Float64Array([number]).buffer);
  bits[0] = (bits[0] as bigint) + BigInt(ulps);
  const moved = new Float64Array(bits.buffer)[0] as number;
  return Number.isFinite(moved) ? moved : number;
}

const anyValue: fc.Arbitrary<Value> = fc.oneof(
  { arbitrary: anyNumber, weight: 6 },
  fc.boolean(),
  fc.oneof(text, control),
  fc.uint8Array({ maxLength: 20 }),
);

const anyTime = fc.oneof(
  fc.integer({ min: 0, max: timeUsMax }),
  fc.integer({ min: 1_700_000_000, max: 1_700_000_100 }).map((s) => s * 1_000_000),
  fc.integer({ min: 0, max: 5_000 }).map((ms) => 1_700_000_000_000_000 + ms * 1000),
  fc.constantFrom(0, 1, timeUsMax),
);

const seriesKey = fc.record(
  {
    name,
    unit: fc.oneof(text, control),
    labels: fc.dictionary(name, fc.oneof(text, control), { maxKeys: 3, noNullPrototype: true }),
    stamped: fc.boolean(),
  },
  { requiredKeys: ["name"] },
);

/** Up to `maxLength` valid readings of a few series, in any order. */
export function anyReadings(maxLength: number): fc.Arbitrary<Reading[]> {
  return fc
    .array(seriesKey, { minLength: 1, maxLength: 4 })
    .chain((keys) =>
      fc.array(fc.record({ key: fc.constantFrom(...keys), timeUs: anyTime, value: anyValue }), {
        minLength: 1,
        maxLength,
      }),
    )
    .map((rows) => rows.map(({ key, timeUs, value }): Reading => ({ ...key, timeUs, value })))
    .filter((readings) => readings.every((reading) => readingFault(reading) === undefined));
}

/** Readings of few series with regular or jittered times and smooth values: what most blocks are made of. */
export const usualReadings: fc.Arbitrary<Reading[]> = fc
  .record({
    seriesCount: fc.integer({ min: 1, max: 5 }),
    count: fc.integer({ min: 1, max: 200 }),
    periodUs: fc.constantFrom(1_000_000, 300_000_000, 12_345, 1),
    jitters: fc.array(fc.integer({ min: -300, max: 300 }), { minLength: 200, maxLength: 200 }),
    jitterUs: fc.constantFrom(0, 1, 7919),
    decimals: fc.integer({ min: 0, max: 14 }),
    together: fc.boolean(),
  })
  .map(({ seriesCount, count, periodUs, jitters, jitterUs, decimals, together }) =>
    Array.from({ length: count }, (_, i): Reading => {
      const jitter = jitters[i] as number;
      const step = together ? Math.floor(i / seriesCount) : i;
      return {
        name: `series ${i % seriesCount}`,
        timeUs: 1_700_000_000_000_000 + step * periodUs + (together ? 0 : jitter * jitterUs),
        value: Math.round((20 + Math.sin(i / 10)) * 10 ** decimals + jitter) / 10 ** decimals,
      };
    }),
  );

/** A reading in the one form that equal readings share: unit, labels and stamp spelt out, labels sorted. */
export function normal(reading: Reading): unknown[] {
  const labels = Object.entries(reading.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const value = reading.value instanceof Uint8Array ? [...reading.value] : reading.value;
  return [reading.name, reading.unit ?? null, labels, reading.timeUs, reading.stamped === true, value];
}
