import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chainsAgree } from "../../shared/chain.ts";
import {
  add,
  beyond,
  clip,
  covers,
  gaps,
  highest,
  type Range,
  type Ranges,
  rangesFault,
  sizeOf,
  subtract,
  touches,
  union,
  withinCount,
} from "../../shared/ranges.ts";

const max = 40;
const span = fc
  .tuple(fc.integer({ min: 1, max }), fc.integer({ min: 0, max: 8 }))
  .map(([first, more]) => ({ first, last: Math.min(first + more, max) }));
const chain = fc.constantFrom("a", "b", null);
const range: fc.Arbitrary<Range> = fc
  .tuple(span, chain, chain)
  .map(([{ first, last }, before, after]) => ({ first, last, before, after }));
const ranges: fc.Arbitrary<Ranges> = fc
  .array(range, { maxLength: 12 })
  .map((all) => all.reduce<Ranges>((sum, one) => union(sum, [one]), []));

const seqsOf = (all: readonly { first: number; last: number }[]): number[] =>
  all.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
const setOf = (all: readonly { first: number; last: number }[]): Set<number> => new Set(seqsOf(all));

const sum = (one: Set<number>, other: Set<number>): Set<number> => new Set([...one, ...other]);
const difference = (one: Set<number>, other: Set<number>): Set<number> =>
  new Set([...one].filter((seq) => !other.has(seq)));

function wellFormed(all: Ranges): void {
  assert.equal(rangesFault(all), undefined);
  all.forEach((one, at) => {
    const before = all[at - 1];
    if (before !== undefined && before.last + 1 === one.first) {
      assert.ok(!chainsAgree(before.after, one.before), "neighbours with the same known chain were not joined");
    }
  });
}

test("covers, touches, gaps, sizeOf and highest say what a set of seqs says", () => {
  fc.assert(
    fc.property(ranges, span, (all, { first, last }) => {
      const set = setOf(all);
      const asked = seqsOf([{ first, last }]);
      assert.equal(
        covers(all, first, last),
        asked.every((seq) => set.has(seq)),
      );
      assert.equal(
        touches(all, first, last),
        asked.some((seq) => set.has(seq)),
      );
      assert.deepEqual(
        seqsOf(gaps(all, first, last)),
        asked.filter((seq) => !set.has(seq)),
      );
      assert.equal(sizeOf(all), set.size);
      assert.equal(highest(all), Math.max(0, ...set));
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("union, subtract, add and beyond say what sets say, and leave ranges well formed", () => {
  fc.assert(
    fc.property(ranges, ranges, range, (one, other, cut) => {
      wellFormed(union(one, other));
      assert.deepEqual(setOf(union(one, other)), sum(setOf(one), setOf(other)));
      assert.deepEqual(setOf(subtract(one, cut)), difference(setOf(one), setOf([cut])));
      assert.deepEqual(setOf(beyond(one, other)), difference(setOf(one), setOf(other)));
      const free = gaps(one, cut.first, cut.last);
      const filled = free.reduce((all, gap) => add(all, clip(cut, gap)), one);
      wellFormed(filled);
      assert.deepEqual(setOf(filled), sum(setOf(one), setOf([cut])));
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("I4: what is there already cannot be added again", () => {
  fc.assert(
    fc.property(ranges, range, (all, added) => {
      fc.pre(touches(all, added.first, added.last));
      assert.throws(() => add(all, added), /is there already/);
    }),
  );
});

test("a chain survives only at an end that stays", () => {
  const whole: Range = { first: 1, last: 9, before: "a", after: "b" };
  assert.deepEqual(clip(whole, { first: 1, last: 4 }), { first: 1, last: 4, before: "a", after: null });
  assert.deepEqual(clip(whole, { first: 5, last: 9 }), { first: 5, last: 9, before: null, after: "b" });
  const cut: Range = { first: 4, last: 6, before: "c", after: "d" };
  assert.deepEqual(subtract([whole], cut), [
    { first: 1, last: 3, before: "a", after: "c" },
    { first: 7, last: 9, before: "d", after: "b" },
  ]);
});

test("what was cut and comes again joins to what was there before", () => {
  const whole: Range = { first: 1, last: 9, before: "a", after: "b" };
  const cut: Range = { first: 4, last: 6, before: "c", after: "d" };
  assert.deepEqual(add(subtract([whole], cut), cut), [whole]);
});

test("I8: too many ranges are joined over unknown seams only, as few as needed, and no joined end is known", () => {
  fc.assert(
    fc.property(ranges, fc.integer({ min: 1, max: 12 }), (all, countMax) => {
      const fewer = withinCount(all, countMax);
      assert.deepEqual(setOf(fewer), setOf(all));
      const closable = all.filter((one, at) => {
        const next = all[at + 1];
        return next?.first === one.last + 1 && (one.after === null || next.before === null);
      }).length;
      // A closed seam makes the next one unknown, but never fewer than the unknown ones can be closed.
      if (all.length <= countMax) assert.equal(fewer, all);
      else assert.ok(fewer.length >= countMax && fewer.length <= Math.max(countMax, all.length - closable));
      for (const one of fewer) {
        const parts = all.filter((part) => part.first >= one.first && part.last <= one.last);
        assert.equal(one.before, parts[0]?.before);
        if (parts.length > 1) assert.equal(one.after, null);
        else assert.deepEqual([one], parts);
      }
    }),
    { numRuns: 1000, seed: 1 },
  );
});

test("closing seams keeps the most known ends", () => {
  const all: Ranges = [
    { first: 1, last: 5, before: "a", after: "b" },
    { first: 6, last: 7, before: null, after: null },
    { first: 8, last: 9, before: null, after: null },
    { first: 10, last: 12, before: "c", after: "d" },
  ];
  const spans = (countMax: number) => withinCount(all, countMax).map(({ first, last, after }) => [first, last, after]);
  assert.deepEqual(spans(3), [
    [1, 5, "b"],
    [6, 9, null],
    [10, 12, "d"],
  ]);
  assert.deepEqual(spans(2), [
    [1, 9, null],
    [10, 12, "d"],
  ]);
  assert.deepEqual(spans(1), [[1, 12, null]]);
});

test("a seam where both chains are known and differ is never closed", () => {
  const all: Ranges = [
    { first: 1, last: 5, before: "a", after: "b" },
    { first: 6, last: 7, before: "x", after: "y" },
  ];
  assert.equal(withinCount(all, 1), all);
});

test("what is left of a range that was joined over an unknown seam gets no chain by a cut", () => {
  const joined: Range = { first: 1, last: 9, before: "a", after: null };
  const cut: Range = { first: 4, last: 6, before: "c", after: "d" };
  assert.deepEqual(subtract([joined], cut), [
    { first: 1, last: 3, before: "a", after: null },
    { first: 7, last: 9, before: "d", after: null },
  ]);
});

test("ranges from outside that are unsorted, overlapping, empty or no seqs are refused", () => {
  const of = (...pairs: [number, number][]): Ranges =>
    pairs.map(([first, last]) => ({ first, last, before: null, after: null }));
  assert.equal(rangesFault(of([1, 2], [3, 4])), undefined);
  assert.match(rangesFault(of([3, 4], [1, 2])) ?? "", /sorted/);
  assert.match(rangesFault(of([1, 4], [4, 5])) ?? "", /disjoint/);
  assert.match(rangesFault(of([2, 1])) ?? "", /empty/);
  assert.match(rangesFault(of([0, 1])) ?? "", /below 1/);
  assert.match(rangesFault(of([1, 2 ** 53])) ?? "", /no seq/);
});
