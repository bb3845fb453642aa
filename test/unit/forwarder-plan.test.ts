import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { planCommit } from "../../gateway/forwarder/plan.ts";
import type { JournalEntry } from "../../gateway/journal/journal.ts";
import { merged, type Ranges, union } from "../../shared/ranges.ts";
import { agentLane, synced } from "../fakes/agent-lane.ts";

const span = fc
  .tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 6 }))
  .map(([first, more]) => ({ first, last: first + more }));

const [one, other] = [agentLane({ run: 1 }), agentLane({ run: 2 })];

test("I5: a plan writes each seq that the queue lacks once, and its positions cover exactly that", () => {
  fc.assert(
    fc.property(fc.array(span), fc.array(fc.tuple(span, fc.boolean()), { maxLength: 12 }), (known, wanted) => {
      const inQueue = known.reduce<Ranges>(
        (sum, { first, last }) => union(sum, [{ first, last, before: null, after: null }]),
        [],
      );
      const entries = wanted.map(([{ first, last }, isOther], at): JournalEntry => {
        const { lane, record } = isOther ? other : one;
        const head = { first, count: last - first + 1, before: null, after: null, codec: 1, rawBytes: 0, crc: 0 };
        const block = { ...head, repeated: false, bytes: new Uint8Array(0) };
        return { id: at + 1, lane, storeId: record.storeId, run: record.run, clock: synced, block };
      });
      const plan = planCommit(entries, (lane) => (lane === one.lane ? inQueue : []));
      for (const { lane } of [one, other]) {
        const done = new Set(lane === one.lane ? seqs(inQueue) : []);
        const written = plan.open.filter(({ entry }) => entry.lane === lane).flatMap(({ spans }) => seqs(spans));
        for (const seq of written) {
          assert.ok(!done.has(seq), `seq ${seq} is written twice`);
          done.add(seq);
        }
        const asked = entries
          .filter((entry) => entry.lane === lane)
          .flatMap(({ block }) => seqs([{ first: block.first, last: block.first + block.count - 1 }]));
        for (const seq of asked) assert.ok(done.has(seq), `seq ${seq} is missing`);
        const position = plan.positions.find((found) => found.lane === lane);
        if (asked.length > 0) assert.deepEqual(new Set(seqs(position?.forwarded ?? [])), done);
        assert.equal(
          plan.changed.some((found) => found.lane === lane),
          written.length > 0,
        );
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("I5: a plan writes nothing that is held, and calls no entry whole of which a part is", () => {
  fc.assert(
    fc.property(fc.array(span), fc.array(span), fc.array(span, { maxLength: 12 }), (known, held, wanted) => {
      const inQueue = known.reduce<Ranges>((sum, part) => union(sum, [{ ...part, before: null, after: null }]), []);
      const spans = merged(held);
      const entries = wanted.map(({ first, last }, at): JournalEntry => {
        const head = { first, count: last - first + 1, before: null, after: null, codec: 1, rawBytes: 0, crc: 0 };
        const block = { ...head, repeated: false, bytes: new Uint8Array(0) };
        const { lane, record } = one;
        return { id: at + 1, lane, storeId: record.storeId, run: record.run, clock: synced, block };
      });
      const plan = planCommit(
        entries,
        () => inQueue,
        () => spans,
      );
      const written = plan.open.flatMap((open) => seqs(open.spans));
      const doubtful = new Set(seqs(spans));
      assert.ok(!written.some((seq) => doubtful.has(seq)));
      assert.equal(new Set(written).size, written.length);
      const done = new Set([...seqs(inQueue), ...written]);
      for (const entry of entries) {
        const { first, count } = entry.block;
        const isWhole = seqs([{ first, last: first + count - 1 }]).every((seq) => done.has(seq));
        assert.equal(plan.whole.includes(entry), isWhole, `${first} + ${count}`);
      }
      for (const { forwarded } of plan.positions) assert.deepEqual(new Set(seqs(forwarded)), done);
    }),
    { numRuns: 500, seed: 1 },
  );
});

function seqs(spans: readonly { first: number; last: number }[]): number[] {
  return spans.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
}
