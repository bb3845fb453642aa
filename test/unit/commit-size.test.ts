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
  void it("stays where commits are neither slow nor full", () => {
    const small = { bytes: 400, readings: 10 };
    assert.deepEqual(nextCommitSize(commitSizeMax, small, 100, true), commitSizeMax);
    assert.deepEqual(nextCommitSize(half(commitSizeMax), small, 100, true), half(commitSizeMax));
    assert.deepEqual(nextCommitSize(half(commitSizeMax), full(half(commitSizeMax)), 2_000, true), half(commitSizeMax));
  });

  void it("is half of what took long, whether it landed or not; a quick failure says nothing", () => {
    const held = { bytes: 40_000, readings: 1_000 };
    for (const landed of [true, false]) {
      assert.deepEqual(nextCommitSize(commitSizeMax, held, 60_000, landed), { bytes: 20_000, readings: 500 });
    }
    assert.deepEqual(nextCommitSize(half(commitSizeMax), full(half(commitSizeMax)), 1, false), half(commitSizeMax));
  });

  void it("I8: leads to commits that are quick enough over any link, and to the largest once nothing slows them", () => {
    const rates = fc.integer({ min: 2_000, max: 100_000_000 });
    fc.assert(
      fc.property(rates, (bytesPerSecond) => {
        let most = commitSizeMax;
        const tookMs: number[] = [];
        for (let commit = 0; commit < 60; commit++) {
          const held = full(most);
          tookMs.push((held.bytes / bytesPerSecond) * 1000);
          most = nextCommitSize(most, held, tookMs.at(-1) ?? 0, true);
        }
        // Whoever is that slow takes the smallest commits there are.
        assert.ok(Math.max(...tookMs.slice(20)) <= 3_000);
        for (let commit = 0; commit < 11; commit++) most = nextCommitSize(most, full(most), 1, true);
        assert.deepEqual(most, commitSizeMax);
      }),
    );
  });
});
