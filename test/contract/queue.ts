/** The contract suite of every queue: what the forwarder relies on. It runs against each engine and against the fake. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Lane, LanePosition, Queue } from "../../gateway/queue/queue.ts";
import { blockOf, deadLetter, type Line, laneOf, loss, positionOf, readings } from "../fakes/outcomes.ts";
import { until } from "../fakes/queue-folder.ts";

/** A queue under test that can be closed and opened again. */
export interface QueueUnderTest {
  /** Opens the queue; the handle before, if any, was closed. */
  open(): Queue | Promise<Queue>;
  /** All committed lines, in the order in which a reader meets them. */
  lines(): Promise<Line[]>;
  /** Makes commits fail as a full disk does, until told otherwise; undefined where the engine knows no full. */
  readonly setFull: ((full: boolean) => void) | undefined;
}

const lane = laneOf("pump-17");

const seqsOf = (lines: readonly Line[]) => lines.map((line) => line.seq ?? `${line.firstSeq}-${line.lastSeq}`);

/**
 * Registers the suite.
 * @param make a new, empty queue; cleans up through the context; a string says why it cannot be had here
 */
export function queueContract(name: string, make: (t: TestContext) => QueueUnderTest | string): void {
  const check = (title: string, run: (subject: QueueUnderTest, queue: Queue) => Promise<void>): void =>
    void it(title, async (t) => {
      const subject = make(t);
      if (typeof subject === "string") return t.skip(subject);
      const queue = await subject.open();
      try {
        await run(subject, queue);
      } finally {
        await queue.close();
      }
    });

  const reopened = async (subject: QueueUnderTest, queue: Queue, look: (again: Queue) => void | Promise<void>) => {
    await until("all is released", () => queue.progress().released >= queue.progress().committed);
    await queue.close();
    const again = await subject.open();
    try {
      await look(again);
    } finally {
      await again.close();
    }
  };

  void describe(`the queue contract: ${name}`, () => {
    check("a new queue has ids and nothing else", async (subject, queue) => {
      assert.match(queue.queueId, /^[0-9a-f]{32}$/);
      assert.match(queue.groupId, /^[0-9a-f]{32}$/);
      assert.notEqual(queue.queueId, queue.groupId);
      assert.deepEqual([...queue.positions()], []);
      assert.deepEqual([...queue.floors()], []);
      assert.deepEqual(queue.forwarded(lane), []);
      assert.deepEqual(await subject.lines(), []);
    });

    check("I5: records and positions appear together and survive a reopening", async (subject, queue) => {
      const { queueId, groupId } = queue;
      const position = positionOf(lane, 1, 3);
      await queue.commit([readings(lane, 1, [20.5, "open", true])], [position]);
      assert.deepEqual(queue.forwarded(lane), position.forwarded);
      assert.deepEqual(seqsOf(await subject.lines()), [1, 2, 3]);
      await reopened(subject, queue, async (again) => {
        assert.equal(again.queueId, queueId);
        assert.equal(again.groupId, groupId);
        assert.deepEqual([...again.positions()], [position]);
        assert.deepEqual(seqsOf(await subject.lines()), [1, 2, 3]);
      });
    });

    check("a later position replaces the earlier one of its lane only", async (subject, queue) => {
      const other = laneOf("pump-18");
      await queue.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1), positionOf(other, 7, 9)]);
      await queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]);
      const expected = [positionOf(lane, 1, 2), positionOf(other, 7, 9)];
      assert.deepEqual(sorted(queue.positions()), expected);
      await reopened(subject, queue, (again) => assert.deepEqual(sorted(again.positions()), expected));
    });

    check("unknown chains and many ranges come back as they were", async (subject, queue) => {
      const forwarded = Array.from({ length: 256 }, (_, i) => ({
        first: 10 * i + 1,
        last: 10 * i + 4,
        before: i % 2 === 0 ? null : "00000000000000ff",
        after: i % 3 === 0 ? null : "ffffffffffffffff",
      }));
      await queue.commit([], [{ ...positionOf(lane, 1, 1), forwarded }]);
      assert.deepEqual(queue.forwarded(lane), forwarded);
      await reopened(subject, queue, (again) => assert.deepEqual(again.forwarded(lane), forwarded));
      assert.deepEqual(await subject.lines(), []);
    });

    check("lines stand in the order of commits, outcomes and seqs", async (subject, queue) => {
      const other = laneOf("pump-18");
      await queue.commit([readings(lane, 5, [1, 2]), readings(other, 1, [3]), readings(lane, 1, [4])], []);
      await queue.commit([readings(other, 2, [5])], []);
      const lines = await subject.lines();
      assert.deepEqual(
        lines.map((line) => [line.agent, line.seq, line.value]),
        [
          ["pump-17", 5, 1],
          ["pump-17", 6, 2],
          ["pump-18", 1, 3],
          ["pump-17", 1, 4],
          ["pump-18", 2, 5],
        ],
      );
    });

    check("commits that were given at once are done in that order", async (subject, queue) => {
      await Promise.all(
        [1, 2, 3, 4, 5].map((seq) => queue.commit([readings(lane, seq, [seq])], [positionOf(lane, 1, seq)])),
      );
      assert.deepEqual(seqsOf(await subject.lines()), [1, 2, 3, 4, 5]);
      assert.deepEqual(queue.forwarded(lane), positionOf(lane, 1, 5).forwarded);
    });

    check("I4, I5: only the seqs of an outcome's spans become lines", async (subject, queue) => {
      const spans = [
        { first: 12, last: 12 },
        { first: 14, last: 15 },
      ];
      await queue.commit([{ ...readings(lane, 11, [11, 12, 13, 14, 15, 16]), spans }], []);
      assert.deepEqual(
        (await subject.lines()).map((line) => [line.seq, line.value]),
        [
          [12, 12],
          [14, 14],
          [15, 15],
        ],
      );
    });

    check("I6: loss records and dead letters are lines of the same queue", async (subject, queue) => {
      const spans = [
        { first: 1, last: 4 },
        { first: 9, last: 9 },
      ];
      const body = deadLetter(4, 6);
      const block = { ...blockOf(4, 6), codec: body.codec, rawBytes: body.rawBytes, bytes: body.bytes };
      await queue.commit([loss(lane, spans), { lane, spans: [{ first: 5, last: 8 }], block, body }], []);
      const [first, second, third, ...more] = await subject.lines();
      assert.deepEqual([first?.kind, first?.firstSeq, first?.lastSeq, first?.count], ["loss", 1, 4, 4]);
      assert.deepEqual([second?.kind, second?.firstSeq, second?.reason], ["loss", 9, "quota"]);
      assert.deepEqual([third?.kind, third?.codec, third?.payloadBase64], ["dead-letter", 9, "d2hhdA=="]);
      assert.deepEqual([third?.firstSeq, third?.lastSeq, third?.blockFirst, third?.blockCount], [5, 8, 4, 6]);
      assert.deepEqual(more, []);
    });

    check("it writes what it is told, no more and no less: a replay is told on purpose", async (subject, queue) => {
      await queue.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
      await reopened(subject, queue, async (again) => {
        assert.deepEqual(seqsOf(await subject.lines()), [1]);
        await again.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
        assert.deepEqual(seqsOf(await subject.lines()), [1, 1]);
      });
    });

    check("forgetting raises the floor and deletes the positions of the lanes named", async (subject, queue) => {
      const old = laneOf("pump-17", "1111111111111111");
      await queue.commit([readings(old, 1, [1])], [positionOf(old, 1, 1), positionOf(lane, 1, 1)]);
      const floor = { agent: "pump-17", storeId: "s".repeat(32), run: 4 };
      await queue.forget(floor, [old]);
      await queue.forget({ ...floor, run: 2 }, []);
      const look = (now: Queue) => {
        assert.deepEqual([...now.floors()], [floor], "a floor never sinks");
        assert.deepEqual([...now.positions()], [positionOf(lane, 1, 1)]);
        assert.deepEqual(now.forwarded(old), []);
      };
      look(queue);
      await reopened(subject, queue, look);
      assert.deepEqual(seqsOf(await subject.lines()), [1], "lines stay");
    });

    check("I5: a full queue changes nothing, and takes the same commit later", async (subject, queue) => {
      await queue.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
      const { setFull } = subject;
      if (setFull === undefined) return;
      setFull(true);
      const big = readings(
        lane,
        2,
        Array.from({ length: 2000 }, (_, i) => `text ${i} ${"x".repeat(400)}`),
      );
      const step = () => queue.commit([big], [positionOf(lane, 1, 2001)]);
      for (let attempt = 0; attempt < 3; attempt++) {
        await assert.rejects(step(), { name: "Fault", code: "full", retryable: true });
        assert.deepEqual(queue.forwarded(lane), positionOf(lane, 1, 1).forwarded);
        assert.deepEqual(seqsOf(await subject.lines()), [1]);
      }
      setFull(false);
      await step();
      const expected = Array.from({ length: 2001 }, (_, i) => i + 1);
      assert.deepEqual(seqsOf(await subject.lines()), expected);
      assert.deepEqual(queue.forwarded(lane), positionOf(lane, 1, 2001).forwarded);
    });

    check("a commit of 50,000 lines in many outcomes is one step", async (subject, queue) => {
      const outcomes = Array.from({ length: 50 }, (_, i) =>
        readings(
          lane,
          i * 1000 + 1,
          Array.from({ length: 1000 }, (_, row) => i * 1000 + row),
        ),
      );
      await queue.commit(outcomes, [positionOf(lane, 1, 50_000)]);
      await reopened(subject, queue, async () => {
        const lines = await subject.lines();
        assert.equal(lines.length, 50_000);
        assert.ok(lines.every((line, i) => line.seq === i + 1 && line.value === i));
      });
    });

    check("a closed queue refuses", async (_subject, queue) => {
      await queue.close();
      await assert.rejects(queue.commit([], []), { name: "Fault", code: "closed" });
      assert.throws(() => queue.forwarded(lane), { name: "Fault", code: "closed" });
    });
  });
}

function sorted(positions: Iterable<LanePosition>): LanePosition[] {
  const key = ({ agent, stream, epoch }: Lane) => `${agent} ${stream} ${epoch}`;
  return [...positions].sort((a, b) => (key(a.lane) < key(b.lane) ? -1 : 1));
}
