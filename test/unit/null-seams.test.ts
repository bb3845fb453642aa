/** Seams that nobody can judge: they must hold up no lane for ever (I8), and vouch for nothing (PROTOCOL.md §5). */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { judge as judgePosition } from "../../agent/store/judge.ts";
import { judge } from "../../gateway/journal/dedupe.ts";
import type { Chain } from "../../shared/chain.ts";
import { rangesMax } from "../../shared/limits.ts";
import { covers, type Ranges, withinCount } from "../../shared/ranges.ts";
import { agentLane, rangeOf } from "../fakes/agent-lane.ts";
import { forwardOnce } from "../fakes/forward-once.ts";
import { journalInMemory } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

/** The chain at a seq in the history of copy A or B, which part after seq 2. */
const chainAt = (seq: number, copy: "a" | "b"): Chain => (seq <= 2 ? `both${seq}` : `${copy}${seq}`);

test("I4: a fork is not told that its loss is settled, wherever seams were closed", () => {
  const taken = judge([], [], { first: 1, count: 5, before: chainAt(0, "a"), after: chainAt(5, "a") }, false);
  assert.ok(taken.kind === "taken");
  const loss = { first: 3, count: 8, before: chainAt(2, "b"), after: chainAt(10, "b") };
  const filled = judge(taken.ranges, [], loss, true);
  assert.ok(filled.kind === "taken" && filled.ranges.length === 2);
  // B's own edges: its shared block, and its loss record.
  const edges = { chainAt: (seq: number) => ([0, 2, 10].includes(seq) ? chainAt(seq, "b") : undefined) };
  assert.equal(judgePosition(filled.ranges, filled.ranges, edges, true).fork, true);
  const closed = withinCount(filled.ranges, 1);
  const judged = judgePosition(closed, closed, edges, true);
  assert.deepEqual([judged.journaled, judged.verified], [[], []], "what B lost counts as delivered");
  assert.deepEqual(judged.waiting, [{ first: 1, last: 10 }]);
});

test("I4: whatever seams are closed, no range agrees for an agent that did not agree before", () => {
  const piece = fc.record({
    length: fc.integer({ min: 1, max: 4 }),
    gap: fc.constantFrom(0, 0, 0, 1),
    copy: fc.constantFrom("a", "b"),
    knows: fc.tuple(fc.boolean(), fc.boolean()),
  }) as fc.Arbitrary<{ length: number; gap: number; copy: "a" | "b"; knows: [boolean, boolean] }>;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), fc.integer({ min: 1, max: 6 }), (pieces, countMax) => {
      let next = 1;
      const ranges: Ranges = pieces.map(({ length, gap, copy, knows }) => {
        const first = next + gap;
        next = first + length;
        const before = knows[0] ? chainAt(first - 1, copy) : null;
        return { first, last: next - 1, before, after: knows[1] ? chainAt(next - 1, copy) : null };
      });
      const edges = { chainAt: (seq: number) => chainAt(seq, "b") };
      for (const open of [true, false]) {
        const before = judgePosition(ranges, ranges, edges, open);
        const after = judgePosition(withinCount(ranges, countMax), withinCount(ranges, countMax), edges, open);
        for (const { first, last } of after.verified) assert.ok(covers(before.verified, first, last));
        if (open) for (const { first, last } of after.journaled) assert.ok(covers(before.journaled, first, last));
        if (!before.fork) assert.equal(after.fork, false, "closing a seam made a fork");
      }
    }),
    { numRuns: 1000, seed: 1 },
  );
});

test("I8: a lane full of holes is filled by one loss record, forwarded and settled, in few ranges", async () => {
  const queue = fakeQueue();
  const handle = queue.open();
  const { journal } = await journalInMemory(handle);
  const lane = agentLane();
  const blocks = Array.from({ length: 2 * rangesMax + 3 }, () => lane.block(2));
  const everySecond = blocks.filter((_, at) => at % 2 === 0).slice(0, rangesMax);
  await journal.take("pump-1", lane.batch(everySecond));
  const [first, last] = [blocks[0], blocks[2 * rangesMax - 2]].map((block) => rangeOf(block as (typeof blocks)[0]));
  const dropped = agentLane().loss((last?.last ?? 0) - (first?.first ?? 0) + 1);
  const { refusals, state } = await journal.take("pump-1", lane.batch([{ ...dropped, after: last?.after ?? null }]));
  assert.deepEqual(refusals, []);
  assert.ok((state?.journaled.length ?? 0) <= rangesMax);
  const more = await journal.take("pump-1", lane.batch(blocks.slice(2 * rangesMax - 1)));
  assert.deepEqual(more.refusals, [], "the lane takes what comes after");
  await forwardOnce(journal, handle);
  const end = (await journal.ask("pump-1", lane.ask())).state;
  assert.ok(covers(end?.forwarded ?? [], 1, lane.newest()));
  assert.ok((end?.forwarded.length ?? 0) <= rangesMax);
  const seqs = queue.outcomes.flatMap(({ spans }) => spans).reduce((sum, span) => sum + span.last - span.first + 1, 0);
  assert.equal(seqs, lane.newest(), "each seq once");
});

test("I8: more holes than a position can name are declared lost at once", async () => {
  const { journal } = await journalInMemory(fakeQueue().open());
  const lane = agentLane();
  const blocks = Array.from({ length: 2 * rangesMax }, () => lane.block(1));
  await journal.take("pump-1", lane.batch(blocks.filter((_, at) => at % 2 === 0)));
  await journal.ask("pump-1", lane.ask());
  assert.equal(await journal.declareLost(lane.lane, [{ first: 1, last: lane.newest() }], "journal-lost"), rangesMax);
  const { state } = await journal.ask("pump-1", lane.ask());
  assert.ok(covers(state?.journaled ?? [], 1, lane.newest()) && (state?.journaled.length ?? 0) <= rangesMax);
});
