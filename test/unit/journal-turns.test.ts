/** What one turn of the journal's group commit does with batches that cannot be stored, or are too many. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { agentLane } from "../fakes/agent-lane.ts";
import { journalInMemory } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

test("a batch that cannot be stored fails alone; the others of its turn are taken", async () => {
  const queue = fakeQueue().open();
  const { journal } = await journalInMemory(queue);
  const lanes = [1, 2, 3].map((run) => agentLane({ run }));
  const batches = lanes.map((lane) => lane.batch([lane.block(5)]));
  const bytes = "no bytes" as unknown as Uint8Array;
  const poison = { ...batches[1], blocks: batches[1]?.blocks.map((block) => ({ ...block, bytes })) };
  const answers = await Promise.allSettled(
    [batches[0], poison, batches[2]].map((batch) => journal.take("pump-1", batch as (typeof batches)[0])),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.deepEqual(journal.usage().blocks, 2);
  assert.equal(journal.lanes().length, 2);
});

test("I8: more than a journal can hold in memory is answered with busy", async () => {
  const { journal } = await journalInMemory(fakeQueue().open());
  const lane = agentLane();
  const large = lane.batch([lane.block(5, new Uint8Array(250_000))]);
  const answers = await Promise.all(Array.from({ length: 1100 }, () => journal.take("pump-1", large)));
  const busy = answers.filter(({ refusals }) => refusals[0]?.reason === "busy");
  assert.ok(busy.length > 500, `${busy.length} were refused`);
  assert.equal(journal.usage().blocks, 1);
});
