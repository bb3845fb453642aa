import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lineTexts } from "../../gateway/queue/lines.ts";
import { type Line, laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { fakeQueue, type QueueFault } from "../fakes/queue.ts";
import { queueContract } from "./queue.ts";

queueContract("fake", () => {
  let full = false;
  const fake = fakeQueue({ fault: () => (full ? "full" : undefined) });
  return {
    open: () => fake.open(),
    lines: async () => [...lineTexts(fake.outcomes)].map((text) => JSON.parse(text) as Line),
    setFull: (now) => {
      full = now;
    },
  };
});

void describe("the fake queue", () => {
  const lane = laneOf("pump-17");

  void it("I5: fails before or after its commit point, as told", async () => {
    const faults: (QueueFault | undefined)[] = ["before", "after", undefined];
    const fake = fakeQueue({ fault: () => faults.shift() });
    const queue = fake.open();
    const commit = (seq: number) => queue.commit([readings(lane, seq, [seq])], [positionOf(lane, 1, seq)]);
    const unavailable = { name: "Fault", code: "unavailable", retryable: true };
    await assert.rejects(commit(1), unavailable);
    assert.deepEqual([fake.outcomes.length, queue.forwarded(lane)], [0, []]);
    await assert.rejects(commit(1), unavailable);
    assert.deepEqual([fake.outcomes.length, queue.forwarded(lane)], [1, positionOf(lane, 1, 1).forwarded]);
    await commit(2);
    assert.equal(fake.outcomes.length, 2);
  });

  void it("I5: a handle is fenced as soon as another one is open, even in the middle of a commit", async () => {
    let go = () => {};
    const fake = fakeQueue({
      pause: () =>
        new Promise((resolve) => {
          go = resolve;
        }),
    });
    const zombie = fake.open();
    const pending = zombie.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
    const queue = fake.open();
    go();
    await assert.rejects(pending, { name: "Fault", code: "closed" });
    assert.throws(() => zombie.forwarded(lane), { name: "Fault", code: "closed" });
    assert.deepEqual([fake.outcomes.length, queue.forwarded(lane)], [0, []]);
  });
});
