/** How much a commit may hold, over links and queues of any speed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type CommitSize, commitSizeMax, nextCommitSize } from "../../gateway/forwarder/commit-size.ts";

const readingBytes = 40;
const half = (size: CommitSize): CommitSize => ({ bytes: size.bytes / 2, readings: size.readings / 2 });

/** What the next commit holds while more waits than it can take. */
function full(most: CommitSize): CommitSize {
  const readings = Math.min(most.readings, Math.floor(most.bytes / readingBytes));
  return { bytes: readings * readingBytes, readings };
}

void describe("the size of commits", () => {
  void it("stays where commits are quick and not full, and where they fail quickly", () => {
    const small = { bytes: 400, readings: 10 };
    for (const most of [commitSizeMax, half(commitSizeMax)]) {
      assert.deepEqual(nextCommitSize(most, small, 100, true), most);
      assert.deepEqual(nextCommitSize(most, full(most), 1, false), most);
    }
  });

  void it("is half of what took long, whether it landed or not", () => {
    const held = { bytes: 400_000, readings: 10_000 };
    for (const landed of [true, false]) {
      assert.deepEqual(nextCommitSize(commitSizeMax, held, 60_000, landed), { bytes: 200_000, readings: 5_000 });
    }
  });

  void it("grows a little where commits take their time, whatever came in meanwhile", () => {
    const held = { bytes: 400_000, readings: 10_000 };
    assert.deepEqual(nextCommitSize(commitSizeMax, held, 4_000, true), { bytes: 500_000, readings: 12_500 });
  });

  void it("I8: leads to commits that are quick enough over any link, and to the largest once nothing slows them", () => {
    const rates = fc.integer({ min: 10_000, max: 100_000_000 });
    const pauses = fc.integer({ min: 0, max: 1_000 });
    fc.assert(
      fc.property(rates, pauses, (bytesPerSecond, pauseMs) => {
        let most = commitSizeMax;
        const tookMs: number[] = [];
        for (let commit = 0; commit < 60; commit++) {
          const held = full(most);
          tookMs.push(pauseMs + (held.bytes / bytesPerSecond) * 1000);
          most = nextCommitSize(most, held, tookMs.at(-1) ?? 0, true);
        }
        assert.ok(Math.max(...tookMs.slice(20)) <= 6_250);
        for (let commit = 0; commit < 10; commit++) most = nextCommitSize(most, full(most), 1, true);
        assert.deepEqual(most, commitSizeMax);
      }),
    );
  });

  void it("I8: does not stay small where every commit takes its time, however small", () => {
    let most = nextCommitSize(commitSizeMax, { bytes: 400, readings: 10 }, 60_000, false);
    for (let commit = 0; commit < 30; commit++) most = nextCommitSize(most, full(most), 4_000, true);
    assert.equal(most.readings, commitSizeMax.readings);
  });
});
