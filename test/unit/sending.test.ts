import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BlockRow } from "../../agent/store/blocks.ts";
import type { Lane } from "../../agent/store/lanes.ts";
import { createAsks } from "../../agent/uplink/asks.ts";
import { clockOf, cut } from "../../agent/uplink/cut.ts";
import { createFlights, restMs } from "../../agent/uplink/flights.ts";
import { answered, initialPace, timeoutMs, timeoutMsMax, timeoutMsMin, unanswered } from "../../agent/uplink/pace.ts";
import { backoffBaseMs, backoffCapMs, backoffMs } from "../../shared/backoff.ts";
import { askEntriesMax, batchBlocksMax, batchBytesMax } from "../../shared/limits.ts";

function row(first: number, count: number, change: Partial<BlockRow> = {}): BlockRow {
  const place = { run: 1, stream: 1, first, count, before: null, after: null, state: 0, segment: 1 } as const;
  const bytes = { codec: 1, rawBytes: 10, crc: 0, sizeBytes: 10, body: null, repeated: false, minUs: 0, maxUs: 0 };
  return { ...place, ...bytes, ...change };
}

const all = { batchBytesMax, waiting: [], skip: () => false };
const firsts = (rows: readonly BlockRow[]) => rows.map(({ first }) => first);

const lastOf = ({ first, count }: BlockRow) => first + count - 1;
const anyRows = fc
  .array(
    fc.record({
      count: fc.integer({ min: 1, max: 20 }),
      apart: fc.boolean(),
      state: fc.constantFrom(0, 0, 0, 1, 2) as fc.Arbitrary<0 | 1 | 2>,
      segment: fc.integer({ min: 1, max: 2 }),
      codec: fc.constantFrom(0, 1, 1, 2),
      sizeBytes: fc.integer({ min: 1, max: 262_144 }),
    }),
    { maxLength: 40 },
  )
  .map((list) => {
    let first = 1;
    return list.map(({ count, apart, ...change }) => {
      const one = row(first + (apart ? 1 : 0), count, change);
      first = lastOf(one) + 1;
      return one;
    });
  });

void test("any cuts in a row carry each pending block once, whole, in order; each fits, has one clock and no hole", () => {
  fc.assert(
    fc.property(anyRows, fc.integer({ min: 1, max: batchBytesMax }), (rows, bytesMax) => {
      const sent: BlockRow[] = [];
      let from = 1;
      for (let turn = 0; ; turn++) {
        assert.ok(turn <= rows.length, "it comes to an end");
        const found = cut(
          rows.filter(({ first }) => first >= from),
          { ...all, batchBytesMax: bytesMax },
        );
        assert.ok(found.rows.length <= batchBlocksMax);
        assert.ok(found.rows.length < 2 || found.rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) < bytesMax);
        assert.equal(
          new Set(found.rows.filter(({ codec }) => codec !== 0).map(({ segment }) => segment)).size <= 1,
          true,
        );
        for (let i = 1; i < found.rows.length; i++) {
          assert.equal(found.rows[i]?.first, lastOf(found.rows[i - 1] as BlockRow) + 1);
        }
        sent.push(...found.rows);
        if (found.isEnd) break;
        from = found.resume;
      }
      assert.deepEqual(
        sent,
        rows.filter(({ state }) => state === 0),
      );
    }),
  );
});

void test("what is skipped or waits for a verdict is left out, and ends the batch", () => {
  const rows = [row(1, 2), row(3, 2), row(5, 2), row(7, 2)];
  const found = cut(rows, { ...all, skip: ({ first }) => first === 3 });
  assert.deepEqual([firsts(found.rows), found.resume], [[1], 5]);
  assert.deepEqual(firsts(cut(rows, { ...all, waiting: [{ first: 2, last: 4 }] }).rows), [5, 7]);
  assert.equal(clockOf([row(1, 1, { codec: 0 })]), null);
});

void test("the window opens by one with each answer and halves with each silence, within its bounds (I8)", () => {
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.nat(100_000)), { maxLength: 60 }),
      fc.integer({ min: 1, max: 64 }),
      (turns, max) => {
        let pace = initialPace;
        for (const took of turns) {
          pace = took === null ? unanswered(pace) : answered(pace, took, max);
          assert.ok(pace.window >= 1 && pace.window <= Math.max(max, 2));
          assert.ok(timeoutMs(pace) >= timeoutMsMin && timeoutMs(pace) <= timeoutMsMax);
          assert.ok(pace.patience >= 1 && pace.patience <= 64);
        }
      },
    ),
  );
  assert.equal(timeoutMs(answered(initialPace, 60_000, 8)) > 60_000, true, "a slow link is given its time");
});

void test("I9: the nth wait is a whole number in [0, min(cap, 1 s · 2ⁿ))", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1, max: 10_000 }),
      fc.double({ min: 0, max: 0.999_999, noNaN: true }),
      (n, random) => {
        const waitMs = backoffMs(n, random);
        assert.ok(Number.isSafeInteger(waitMs) && waitMs >= 0);
        assert.ok(waitMs < Math.min(backoffCapMs, backoffBaseMs * 2 ** Math.min(Math.max(n, 0), 31)));
      },
    ),
  );
});

const lane = (run: number, last = 10): Lane =>
  ({ run, stream: 1, name: "s", epoch: `${run}`, last }) as unknown as Lane;

void test("a flight is answered when all of it is journaled; its time runs from when the link took it", () => {
  const flights = createFlights();
  flights.add({ lane: "1/1", first: 1, last: 10, sentMs: 0 });
  flights.taken(5_000);
  assert.deepEqual(flights.expire(4_000), []);
  assert.equal(flights.answer(lane(1), [{ first: 1, last: 9, before: null, after: null }]), null);
  assert.equal(flights.holds(row(10, 1)), true);
  assert.equal(flights.answer(lane(2), [{ first: 1, last: 10, before: null, after: null }]), null, "another lane's");
  assert.equal(flights.answer(lane(1), [{ first: 1, last: 10, before: null, after: null }]), 5_000);
  assert.equal(flights.size(), 0);
});

void test("flights cover what they hold together, of their own lane only", () => {
  const flights = createFlights();
  flights.add({ lane: "1/1", first: 6, last: 9, sentMs: 0 });
  flights.add({ lane: "1/1", first: 1, last: 5, sentMs: 0 });
  assert.equal(flights.cover("1/1", { first: 2, last: 8 }), true);
  assert.equal(flights.cover("1/1", { first: 2, last: 10 }), false);
  assert.equal(flights.cover("2/1", { first: 2, last: 8 }), false);
  flights.drop("1/1", 7);
  assert.equal(flights.cover("1/1", { first: 2, last: 8 }), false);
});

void test("a refused block rests for an hour, and is forgotten once a journal has it after all", () => {
  const flights = createFlights();
  flights.rest("1/1", 5, 0);
  assert.equal(flights.rests(row(5, 2), restMs - 1), true);
  assert.equal(flights.rests(row(5, 2), restMs), false);
  assert.equal(flights.resting(), 1);
  flights.answer(lane(1), [{ first: 1, last: 6, before: null, after: null }]);
  assert.equal(flights.resting(), 0);
  for (let i = 0; i < 2_000; i++) flights.rest("1/1", i, 0);
  assert.equal(flights.resting(), 1_000, "I8");
});

void test("every lane is asked for in pages, the next when the last is answered, and again after an hour", () => {
  const asks = createAsks();
  const lanes = Array.from({ length: 150 }, (_, i) => lane(i + 1));
  asks.begin(lanes);
  const asked: Lane[] = [];
  for (let page = 0; page < 3; page++) {
    const next = asks.nextPage(lanes, () => false, 0);
    assert.ok(next.length <= askEntriesMax);
    assert.deepEqual(
      asks.nextPage(lanes, () => false, 0),
      [],
      "one page is out at a time",
    );
    assert.equal(asks.oldestMs(), 0);
    for (const one of next) {
      assert.equal(asks.isReady(one), false);
      asks.answered(one);
      assert.equal(asks.isReady(one), true);
    }
    asked.push(...next);
  }
  assert.deepEqual(asked, lanes);
  assert.deepEqual(
    asks.nextPage(lanes, () => false, 3_599_999),
    [],
  );
  assert.equal(asks.nextPage(lanes, () => false, 3_600_000).length, askEntriesMax);
});

void test("a lane that was opened in this session is ready at once; one that settles is not waited for", () => {
  const asks = createAsks();
  const old = lane(1);
  asks.begin([old]);
  const young = lane(2);
  assert.deepEqual(
    asks.nextPage([old, young], (one) => one.run === 2, 0),
    [old],
  );
  assert.equal(asks.isReady(young), true);
  assert.deepEqual(
    asks.nextPage([young], () => true, 1),
    [],
    "the settled one's answer is not missed",
  );
  assert.equal(asks.oldestMs(), null);
});
