import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeCbor, encodeCbor, integer, scanCbor } from "../../shared/cbor.ts";
import { Fault } from "../../shared/errors.ts";
import { cborDepthMax, cborItemsMax } from "../../shared/limits.ts";

const whole = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  ...[8, 16, 31, 32, 53].flatMap((bits) =>
    [-1, 1].map((sign) =>
      fc.nat(4).map((near) => Math.max(-(2 ** 53) + 1, Math.min(2 ** 53 - 1, sign * 2 ** bits + near - 2))),
    ),
  ),
  fc.maxSafeInteger(),
);

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: cborDepthMax - 1, depthSize: "small" },
    whole,
    fc.double({ noInteger: true }),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array(),
    fc.array(tie("tree"), { maxLength: 6 }),
  ),
}));

/** Whole numbers in CBOR's integer form, as the protocol writes them. */
function withIntegers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withIntegers);
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? integer(value as number) : value;
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  return Array.isArray(value) ? value.map(plain) : value;
}

test("what was encoded comes back: integers of every size, floats, text, bytes, arrays", () => {
  fc.assert(
    fc.property(tree, (value) => {
      assert.deepEqual(plain(decodeCbor(encodeCbor(withIntegers(value)))), plain(value));
    }),
    { numRuns: 1000, seed: 1 },
  );
});

test("negative integers beyond 32 bits are exact", () => {
  for (const value of [-(2 ** 31), -(2 ** 31) - 1, -3_600_000_000, -(2 ** 32) - 1, Number.MIN_SAFE_INTEGER]) {
    assert.equal(decodeCbor(encodeCbor(BigInt(value))), value);
    assert.equal(decodeCbor(encodeCbor(value)), value);
  }
});

test("I8: random bytes are read or refused as damaged, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeCbor(bytes);
        assert.equal(scanCbor(bytes), undefined);
      } catch (error) {
        assert.ok(error instanceof Fault && error.code === "damaged", String(error));
      }
    }),
    { numRuns: 3000, seed: 1 },
  );
});

test("I8: tags, maps, endless items, deep nesting, half floats and lying lengths are refused", () => {
  const cases: [string, number[], RegExp][] = [
    ["a bignum tag", [0xc2, 0x41, 0xff], /tags/],
    ["a map", [0xa1, 0x01, 0x02], /maps/],
    ["an endless array", [0x9f, 0x01, 0xff], /definite/],
    ["a half float", [0xf9, 0x3c, 0x00], /simple/],
    ["undefined", [0xf7], /simple/],
    ["a string beyond the end", [0x5a, 0xff, 0xff, 0xff, 0xff], /longer/],
    ["a truncated head", [0x1b, 0x00], /early/],
    ["bytes behind the end", [0x01, 0x02], /left over/],
    ["deep nesting", [...Array.from({ length: cborDepthMax + 1 }, () => 0x81), 0x01], /nested/],
    ["a huge array", [0x9a, 0x00, 0xff, 0xff, 0xff], /items/],
  ];
  for (const [what, bytes, why] of cases) assert.match(scanCbor(Uint8Array.from(bytes)) ?? "", why, what);
  assert.match(scanCbor(encodeCbor(Array.from({ length: cborItemsMax }, () => 1))) ?? "", /items/);
});
