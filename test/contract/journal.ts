/** The contract of every journal engine: what is taken, reported, settled and cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Journal, JournalEntry } from "../../gateway/journal/journal.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import type { Block } from "../../shared/block/block.ts";
import { rangesMax } from "../../shared/limits.ts";
import { add, type Ranges } from "../../shared/ranges.ts";
import { agentLane, rangeOf } from "../fakes/agent-lane.ts";
import { fakeQueue } from "../fakes/queue.ts";

export interface JournalSetup {
  /** Opens the journal anew, after a crash of the one before where there was one. */
  readonly open: (queue: Queue, quotaBytes?: number) => Promise<Journal>;
  /** Ends the process of the open journal without warning. */
  readonly crash: () => void;
  /** Releases everything. */
  readonly end: () => Promise<void>;
}

/** The position that a queue has after forwarding `blocks` in order. */
export function forwardedBy(blocks: readonly Block[]): Ranges {
  return blocks.reduce<Ranges>((ranges, block) => add(ranges, rangeOf(block)), []);
}

export function journalContract(engine: string, setUp: () => JournalSetup): void {
  function check(title: string, body: (setup: JournalSetup) => Promise<void>): void {
    test(`${engine}: ${title}`, async () => {
      const setup = setUp();
      try {
        await body(setup);
      } finally {
        await setup.end();
      }
    });
  }

  check("I4: a batch is taken once, whatever is resent", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const lane = agentLane();
    const batch = lane.batch([lane.block(10), lane.block(5)]);
    const first = await journal.take("pump-1", batch);
    const second = await journal.take("pump-1", batch);
    assert.equal(first.state?.version, 1);
    assert.deepEqual(second.state, first.state);
    assert.deepEqual(journal.usage().blocks, 2);
    assert.deepEqual(journal.usage().readings, 15);
    assert.deepEqual(first.state?.journaled.length, 1);
  });

  check("I3: what was answered is there after a crash, under the same journal id", async ({ open, crash }) => {
    const queue = fakeQueue();
    const before = await open(queue.open());
    const lane = agentLane();
    const answer = await before.take("pump-1", lane.batch([lane.block(10)]));
    crash();
    const after = await open(queue.open());
    assert.equal(after.journalId(), before.journalId());
    const found = await after.ask("pump-1", lane.ask(answer.state?.version));
    assert.deepEqual(found.state, answer.state);
    assert.equal(after.read(1e6, 1e6).length, 1);
  });

  check("I4: reordered and repeated batches give each seq once, in any order", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    let run = 0;
    const order = fc.array(fc.tuple(fc.nat(19), fc.nat(3)), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(order, async (sendings) => {
        const lane = agentLane({ run: ++run });
        const blocks = Array.from({ length: 20 }, (_, at) => (at % 7 === 3 ? lane.loss(4) : lane.block(3)));
        const sent = new Set<number>();
        for (const [at, more] of sendings) {
          const chosen = blocks.slice(at, at + 1 + more);
          for (const block of chosen) for (let i = 0; i < block.count; i++) sent.add(block.first + i);
          await journal.take("pump-1", lane.batch(chosen));
        }
        const seqs = journal
          .read(1e9, 1e9)
          .filter((entry) => entry.run === run)
          .flatMap(({ block }) => Array.from({ length: block.count }, (_, i) => block.first + i));
        assert.equal(new Set(seqs).size, seqs.length, "a seq stands in two entries");
        assert.deepEqual(new Set(seqs), sent);
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  check("I4: a block of readings that is journaled in part is not taken", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const lane = agentLane();
    const small = lane.block(5);
    await journal.take("pump-1", lane.batch([small]));
    const wide: Block = { ...small, count: 8, after: null };
    const answer = await journal.take("pump-1", lane.batch([wide]));
    assert.deepEqual(answer.refusals, []);
    assert.equal(answer.state?.version, 1);
  });

  check("I4: a loss record fills only what is open, the first outcome wins", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const lane = agentLane();
    const [one, two, three] = [lane.block(5), lane.block(5), lane.block(5)];
    await journal.take("pump-1", lane.batch([two]));
    const other = agentLane();
    const loss = other.loss(15);
    const wide: Block = { ...loss, before: one.before, after: three.after };
    const answer = await journal.take("pump-1", lane.batch([wide]));
    assert.deepEqual(answer.refusals, []);
    const spans = journal.read(1e6, 1e6).map(({ block }) => [block.first, block.count, block.before, block.after]);
    assert.deepEqual(spans, [
      [6, 5, two.before, two.after],
      [1, 5, one.before, null],
      [11, 5, null, three.after],
    ]);
  });

  check("I4: another chain at a known edge is refused as a conflict", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const lane = agentLane();
    const fork = agentLane();
    await journal.take("pump-1", lane.batch([lane.block(5)]));
    fork.block(5, Buffer.from("another history"));
    const answer = await journal.take("pump-1", lane.batch([fork.block(5)]));
    assert.deepEqual(
      answer.refusals.map((one) => [one.reason, one.first]),
      [["conflict", 6]],
    );
    assert.equal(answer.state?.version, 1);
  });

  check("I8: 10,000 disjoint blocks end in `fragmented`, and no range is forgotten", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const lane = agentLane();
    const blocks = Array.from({ length: 20_000 }, () => lane.block(1)).filter((_, at) => at % 2 === 0);
    let refused = 0;
    for (let at = 0; at < blocks.length; at += 500) {
      const { refusals } = await journal.take("pump-1", lane.batch(blocks.slice(at, at + 500)));
      assert.ok(refusals.every((one) => one.reason === "fragmented"));
      refused += refusals.length;
    }
    assert.equal(refused, 10_000 - rangesMax);
    const { state } = await journal.ask("pump-1", lane.ask());
    assert.equal(state?.journaled.length, rangesMax);
    assert.equal(state?.journaled[0]?.first, 1);
  });

  check("I6: a full journal refuses, drops nothing, and takes again once the queue has taken", async ({ open }) => {
    const journal = await open(fakeQueue().open(), 2_000_000);
    const lane = agentLane();
    const taken: Block[] = [];
    let refused: Block | undefined;
    while (refused === undefined && taken.length < 100) {
      const block = lane.block(100, new Uint8Array(100_000));
      const { refusals } = await journal.take("pump-1", lane.batch([block]));
      if (refusals.length === 0) taken.push(block);
      else {
        assert.equal(refusals[0]?.reason, "full");
        assert.ok((refusals[0]?.retryAfterMs ?? 0) > 0);
        refused = block;
      }
    }
    assert.ok(taken.length > 10 && taken.length < 21, `${taken.length} blocks fit`);
    const entries = journal.read(1e9, 1e9);
    assert.deepEqual(
      entries.map((entry) => entry.block.first),
      taken.map((block) => block.first),
    );
    const position = { lane: lane.lane, storeId: lane.record.storeId, run: 1, forwarded: forwardedBy(taken) };
    await journal.settle(
      entries.map((entry) => entry.id),
      [position],
    );
    const again = await journal.take("pump-1", lane.batch([refused as Block]));
    assert.deepEqual(again.refusals, []);
  });

  check("I5: settling takes over the queue's position and deletes the entries", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const lane = agentLane();
    const blocks = [lane.block(5), lane.block(5)];
    await journal.take("pump-1", lane.batch(blocks));
    const [entry] = journal.read(1, 1);
    assert.equal(entry?.block.first, 1);
    const position = {
      lane: lane.lane,
      storeId: lane.record.storeId,
      run: 1,
      forwarded: forwardedBy([blocks[0] as Block]),
    };
    await journal.settle([entry?.id as number], [position]);
    const { state } = await journal.ask("pump-1", lane.ask());
    assert.deepEqual(state?.forwarded, position.forwarded);
    assert.equal(state?.version, 2);
    assert.deepEqual(
      journal.read(1e6, 1e6).map((left) => left.block.first),
      [6],
    );
    assert.equal(journal.usage().blocks, 1);
  });

  check("I6: a damaged entry is cut out of the position and can be sent again", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const lane = agentLane();
    const blocks = [lane.block(5), lane.block(5), lane.block(5)];
    const first = await journal.take("pump-1", lane.batch(blocks));
    const middle = journal.read(1e6, 1e6)[1];
    assert.ok(middle !== undefined);
    await journal.cut(middle);
    const { state } = await journal.ask("pump-1", lane.ask());
    assert.deepEqual(
      state?.journaled.map((range) => [range.first, range.last]),
      [
        [1, 5],
        [11, 15],
      ],
    );
    const again = await journal.take("pump-1", lane.batch([blocks[1] as Block]));
    assert.deepEqual(again.state?.journaled, first.state?.journaled);
  });

  check("I6: cutting an entry that the queue has already leaves its seqs in the position", async ({ open }) => {
    const queue = fakeQueue().open();
    const journal = await open(queue);
    const lane = agentLane();
    const block = lane.block(6);
    await journal.take("pump-1", lane.batch([block]));
    const forwarded = [{ first: 1, last: 4, before: block.before, after: null }];
    await queue.commit([], [{ lane: lane.lane, storeId: lane.record.storeId, run: 1, forwarded }]);
    await journal.cut(journal.read(1e6, 1e6)[0] as JournalEntry);
    const { state } = await journal.ask("pump-1", lane.ask());
    assert.deepEqual(state?.journaled, forwarded);
  });

  check("an ASK that names a later version makes a new journal id, united with the queue", async ({ open }) => {
    const queue = fakeQueue().open();
    const journal = await open(queue);
    const lane = agentLane();
    await journal.take("pump-1", lane.batch([lane.block(5)]));
    const before = journal.journalId();
    await Promise.all([journal.ask("pump-1", lane.ask(7)), journal.ask("pump-1", lane.ask(9))]);
    const renewed = journal.journalId();
    assert.notEqual(renewed, before);
    await journal.ask("pump-1", lane.ask(99));
    assert.equal(journal.journalId(), renewed, "what was never told under this id cannot have been taken back");
    const { state } = await journal.ask("pump-1", lane.ask());
    assert.deepEqual(
      state?.journaled.map((range) => [range.first, range.last]),
      [[1, 5]],
    );
  });

  check("a journal that lacks what the queue has takes a new id and the queue's positions", async ({ open, crash }) => {
    const queue = fakeQueue().open();
    const before = await open(queue);
    const lane = agentLane();
    const [one, two] = [lane.block(5), lane.block(5)];
    await before.take("pump-1", lane.batch([one]));
    crash();
    const forwarded = forwardedBy([one, two]);
    await queue.commit([], [{ lane: lane.lane, storeId: lane.record.storeId, run: 1, forwarded }]);
    const after = await open(queue);
    assert.notEqual(after.journalId(), before.journalId());
    const { state } = await after.ask("pump-1", lane.ask());
    assert.deepEqual(state?.journaled, forwarded);
    assert.deepEqual(state?.forwarded, forwarded);
  });

  check("a new journal starts from the queue's positions and floors", async ({ open }) => {
    const queue = fakeQueue().open();
    const lane = agentLane({ run: 5 });
    const block = lane.block(5);
    const forwarded = forwardedBy([block]);
    await queue.commit([], [{ lane: lane.lane, storeId: lane.record.storeId, run: 5, forwarded }]);
    await queue.forget({ agent: "pump-1", storeId: lane.record.storeId, run: 3 }, []);
    const journal = await open(queue);
    const held = await journal.take("pump-1", lane.batch([block]));
    assert.deepEqual(held.state?.forwarded, forwarded);
    assert.equal(journal.usage().blocks, 0);
    const old = agentLane({ run: 3 });
    const answer = await journal.take("pump-1", old.batch([old.block(5)]));
    assert.equal(answer.state, null);
    assert.deepEqual(
      answer.refusals.map(({ reason, floor }) => [reason, floor]),
      [["expired", 3]],
    );
  });
}
