import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { chainNext, chainStart, chainsAgree } from "../../shared/chain.ts";

const hexChain = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

/** The definition of the chain, written out anew. */
function naiveNext(before: string, first: number, count: number, bytes: Uint8Array): string {
  const whole = createHash("sha256").update(Buffer.from(before, "hex"));
  for (const number of [first, count]) {
    const eight = Buffer.alloc(8);
    eight.writeUInt32BE(Math.floor(number / 2 ** 32), 0);
    eight.writeUInt32BE(number % 2 ** 32, 4);
    whole.update(eight);
  }
  return whole.update(bytes).digest("hex").slice(0, 16);
}

test("the chain is the first 8 bytes of SHA-256 over the one before, first, count and bytes", () => {
  fc.assert(
    fc.property(hexChain, seq, seq, fc.uint8Array({ maxLength: 300 }), (before, first, count, bytes) => {
      assert.equal(chainNext(before, first, count, bytes), naiveNext(before, first, count, bytes));
    }),
  );
});

test("the chain starts from epoch and stream", () => {
  const expected = createHash("sha256").update(Buffer.from("0011223344556677", "hex")).update("alarm").digest("hex");
  assert.equal(chainStart("0011223344556677", "alarm"), expected.slice(0, 16));
  assert.notEqual(chainStart("0011223344556677", "log"), chainStart("0011223344556677", "alarm"));
});

test("two histories differ from the block in which they part on", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 8 }), { minLength: 1, maxLength: 6 }), fc.nat(5), (blocks, at) => {
      const parted = blocks.map((bytes, index) => (index === at ? Uint8Array.of(...bytes, 1) : bytes));
      const start = chainStart("0011223344556677", "log");
      let [one, other] = [start, start];
      blocks.forEach((bytes, index) => {
        one = chainNext(one, index + 1, 1, bytes);
        other = chainNext(other, index + 1, 1, parted[index] as Uint8Array);
        assert.equal(one === other, index < at);
      });
    }),
  );
});

test("an unknown chain agrees with nothing, not even with another unknown one", () => {
  assert.equal(chainsAgree("aa", "aa"), true);
  assert.equal(chainsAgree("aa", "bb"), false);
  assert.equal(chainsAgree(null, "aa"), false);
  assert.equal(chainsAgree(null, null), false);
});
