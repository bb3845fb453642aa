import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, type OwnEdges, verdict } from "../../agent/store/judge.ts";
import type { Chain } from "../../shared/chain.ts";
import type { Range } from "../../shared/ranges.ts";

const own: OwnEdges = {
  chainAt: (seq) =>
    new Map<number, Chain>([
      [5, "aa"],
      [9, "bb"],
      [12, null],
    ]).get(seq),
};
const range = (first: number, last: number, after: Chain): Range => ({ first, last, before: null, after });

/** [last, chain in the position, verdict in the open epoch, in a closed one] */
const verdicts: readonly [number, Chain, string, string][] = [
  [5, "aa", "agrees", "agrees"],
  [5, "ab", "differs", "differs"],
  [5, null, "none", "none"],
  [7, "aa", "differs", "none"],
  [7, null, "none", "none"],
  [12, "aa", "differs", "none"],
  [12, null, "none", "none"],
];

for (const [last, chain, open, closed] of verdicts) {
  void test(`the verdict on a range that ends at ${last} with ${chain} is ${open} in the open epoch, ${closed} in a closed one`, () => {
    assert.equal(verdict(range(1, last, chain), own, true), open);
    assert.equal(verdict(range(1, last, chain), own, false), closed);
  });
}

void test("one end that differs makes a fork of the whole position, in either epoch", () => {
  const ranges = [range(1, 5, "aa"), range(7, 9, "xx")];
  for (const open of [true, false]) assert.equal(judge(ranges, [], own, open).fork, true);
});

void test("I2: in the open epoch only ranges whose end agrees count; what only others cover waits", () => {
  const journaled = [range(1, 5, "aa"), range(6, 8, null)];
  const found = judge(journaled, [range(1, 4, null), range(5, 5, "aa")], own, true);
  assert.equal(found.fork, false);
  assert.deepEqual(found.journaled, [journaled[0]]);
  assert.deepEqual(found.forwarded, [range(5, 5, "aa")]);
  assert.deepEqual(found.waiting, [{ first: 6, last: 8 }]);
});

void test("in a closed epoch a position is believed, but only what ends in agreement is this store's own for ever", () => {
  const forwarded = [range(1, 5, "aa"), range(6, 8, null)];
  const journaled = [...forwarded, range(9, 9, "bb")];
  const found = judge(journaled, forwarded, own, false);
  assert.deepEqual([found.journaled, found.forwarded], [journaled, forwarded]);
  assert.deepEqual(found.verified, [forwarded[0]], "what is only journaled may be lost with its journal");
  assert.deepEqual(found.waiting, []);
});
