import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { judge } from "../../gateway/journal/dedupe.ts";
import type { Chain } from "../../shared/chain.ts";
import { rangesMax } from "../../shared/limits.ts";
import { add, covers, type Ranges } from "../../shared/ranges.ts";

const seqs = 24;

/** The chain at a seq of one of two histories that part after seq 8; null now and then: nobody computed it. */
function chainAt(seq: number, history: number): Chain {
  return `${seq <= 8 ? 0 : history}${String(seq).padStart(15, "0")}`;
}

interface Sent {
  readonly first: number;
  readonly count: number;
  readonly isLoss: boolean;
  readonly history: number;
  readonly knowsBefore: boolean;
  readonly knowsAfter: boolean;
}

const sent: fc.Arbitrary<Sent> = fc.record({
  first: fc.integer({ min: 1, max: seqs }),
  count: fc.integer({ min: 1, max: 6 }),
  isLoss: fc.boolean(),
  history: fc.constantFrom(0, 0, 0, 1),
  knowsBefore: fc.boolean(),
  knowsAfter: fc.boolean(),
});

function headOf({ first, count, history, knowsBefore, knowsAfter }: Sent) {
  return {
    first,
    count,
    before: knowsBefore ? chainAt(first - 1, history) : null,
    after: knowsAfter ? chainAt(first + count - 1, history) : null,
  };
}

/** Seqs as a position holds them, without ranges: the naive form. */
const held = (ranges: Ranges): Set<number> =>
  new Set(ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => first + at)));

test("I4: whatever is sent in whatever order, each seq is taken once, as a naive set of seqs says", () => {
  fc.assert(
    fc.property(fc.array(sent, { maxLength: 40 }), (sendings) => {
      let journaled: Ranges = [];
      const taken = new Set<number>();
      for (const one of sendings) {
        const verdict = judge(journaled, [], headOf(one), one.isLoss);
        const wanted = Array.from({ length: one.count }, (_, at) => one.first + at);
        const open = wanted.filter((seq) => !taken.has(seq));
        if (verdict.kind === "conflict") continue;
        if (open.length === 0) assert.equal(verdict.kind, "held");
        else if (open.length < wanted.length && !one.isLoss) assert.equal(verdict.kind, "partly");
        else {
          assert.ok(verdict.kind === "taken");
          const filled = verdict.fill.flatMap(({ first, last }) =>
            Array.from({ length: last - first + 1 }, (_, at) => first + at),
          );
          assert.deepEqual(filled, open);
          for (const seq of open) taken.add(seq);
          journaled = verdict.ranges;
        }
        assert.deepEqual(held(journaled), taken);
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("I4: a conflict is found exactly where a known chain at one of the two ends differs", () => {
  fc.assert(
    fc.property(fc.array(sent, { maxLength: 20 }), sent, (sendings, last) => {
      let journaled: Ranges = [];
      for (const one of sendings) {
        const verdict = judge(journaled, [], headOf(one), one.isLoss);
        if (verdict.kind === "taken") journaled = verdict.ranges;
      }
      const head = headOf(last);
      const known = journaled.flatMap((range) => [
        [range.first - 1, range.before] as const,
        [range.last, range.after] as const,
      ]);
      const ends = [
        [head.first - 1, head.before],
        [head.first + head.count - 1, head.after],
      ] as const;
      const differs = ends.some(
        ([seq, chain]) =>
          chain !== null && known.some(([at, other]) => at === seq && other !== null && other !== chain),
      );
      assert.equal(judge(journaled, [], head, last.isLoss).kind === "conflict", differs);
      assert.equal(judge([], journaled, head, last.isLoss).kind === "conflict", differs, "forwarded chains count too");
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("I4: ranges join only where the chains at the seam are known and equal", () => {
  const known = { first: 1, last: 8, before: chainAt(0, 0), after: chainAt(8, 0) };
  const next = { first: 9, count: 4, before: chainAt(8, 0), after: chainAt(12, 0) };
  const joined = judge([known], [], next, false);
  assert.ok(joined.kind === "taken" && joined.ranges.length === 1);
  const unknown = judge([known], [], { ...next, before: null }, false);
  assert.ok(unknown.kind === "taken" && unknown.ranges.length === 2);
});

test("I8: a block that would open one range too many is refused, one that closes a hole is not", () => {
  let journaled: Ranges = [];
  for (let at = 0; at < rangesMax; at++) {
    const seq = 10 * at + 1;
    journaled = add(journaled, { first: seq, last: seq + 4, before: chainAt(seq - 1, 0), after: chainAt(seq + 4, 0) });
  }
  const beyond = { first: 10 * rangesMax + 1, count: 1, before: null, after: null };
  assert.equal(judge(journaled, [], beyond, false).kind, "fragmented");
  const hole = { first: 6, count: 5, before: chainAt(5, 0), after: chainAt(10, 0) };
  const verdict = judge(journaled, [], hole, false);
  assert.ok(verdict.kind === "taken");
  const loss = { first: 1, count: 10 * rangesMax, before: null, after: null };
  const filled = judge(journaled, [], loss, true);
  assert.ok(filled.kind === "taken", "a loss record that only closes holes is never refused");
  assert.equal(filled.ranges.length, rangesMax);
  assert.ok(covers(filled.ranges, 1, 10 * rangesMax));
});

test("I8: a position that damage has cut into more ranges than a lane may have is filled block by block", () => {
  let journaled: Ranges = [];
  for (let at = 0; at <= rangesMax; at++) {
    const seq = 10 * at + 1;
    journaled = add(journaled, { first: seq, last: seq + 4, before: chainAt(seq - 1, 0), after: chainAt(seq + 4, 0) });
  }
  const beginning = { first: 6, count: 2, before: chainAt(5, 0), after: chainAt(7, 0) };
  const grown = judge(journaled, [], beginning, false);
  assert.ok(grown.kind === "taken", "the beginning of a hole closes none, but opens none either");
  const rest = { first: 8, count: 3, before: chainAt(7, 0), after: chainAt(10, 0) };
  const closed = judge(grown.ranges, [], rest, false);
  assert.ok(closed.kind === "taken" && closed.ranges.length === rangesMax);
  const within = { first: 17, count: 1, before: chainAt(16, 0), after: chainAt(17, 0) };
  assert.equal(judge(journaled, [], within, false).kind, "fragmented");
});
