/** A gateway that started while its queue was away. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Forwarder, startForwarder } from "../../gateway/forwarder/forwarder.ts";
import { identityInMemory } from "../../gateway/journal/identity.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { type LateQueue, lateQueue } from "../../gateway/queue/late.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { realEnv } from "../../shared/env.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { eachOnce, readings } from "../fakes/counted-blocks.ts";
import { journalInMemory, silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";
import { until } from "../fakes/queue-folder.ts";

const env = { ...realEnv(), random: () => 0 };

function start(t: TestContext, journal: Journal, queue: Queue): Forwarder {
  const forwarder = startForwarder({ journal, queue, env, log: silent });
  t.after(() => forwarder.close());
  return forwarder;
}

/** What main.ts does once the queue is there. */
async function meet(late: LateQueue, queue: Queue, journal: Journal): Promise<void> {
  late.attach(queue);
  await journal.meetQueue();
  late.begin();
}

/** A journal that has forwarded 10 readings and closed. */
async function settled() {
  const fake = fakeQueue();
  const queue = fake.open();
  const { journal, db, copy } = await journalInMemory(queue);
  const lane = agentLane();
  const forwarder = startForwarder({ journal, queue, env, log: silent });
  await journal.take("pump-1", lane.batch([readings(lane, 10)]));
  await forwarder.idle();
  await forwarder.close();
  const positions = [...queue.positions()];
  return { fake, db, copy, lane, positions, journalId: journal.journalId() };
}

test("I3, I5: a gateway takes readings while its queue is away, and forwards each once when it comes", async (t) => {
  const { fake, db, copy, lane, positions, journalId } = await settled();
  const late = lateQueue("e".repeat(32), positions);
  const { journal } = await journalInMemory(late, db, copy);
  const forwarder = start(t, journal, late);
  const { state, refusals } = await journal.take("pump-1", lane.batch([readings(lane, 5)]));
  assert.deepEqual(refusals, []);
  assert.deepEqual(
    state?.journaled.map(({ first, last }) => [first, last]),
    [[1, 15]],
  );
  await until(
    "the forwarder says why it waits",
    () => forwarder.status().trouble?.includes("not been reached") === true,
  );
  assert.equal(journal.usage().blocks, 1);
  await meet(late, fake.open(), journal);
  await until("the journal empties", () => journal.usage().blocks === 0);
  eachOnce(fake.outcomes, lane);
  assert.equal(journal.journalId(), journalId, "nothing had gone back");
});

test("I4: where the late queue knows more, the journal takes a new id, and nothing doubles", async (t) => {
  const { fake, db, copy, lane, positions, journalId } = await settled();
  // Another gateway forwarded five more from a journal that this file is an older copy of.
  const queue = fake.open();
  const other = await journalInMemory(queue);
  const more = readings(lane, 5);
  await other.journal.take("pump-1", lane.batch([more]));
  const elsewhere = startForwarder({ journal: other.journal, queue, env, log: silent });
  await elsewhere.idle();
  await elsewhere.close();
  const late = lateQueue("e".repeat(32), positions);
  const { journal } = await journalInMemory(late, db, copy);
  const forwarder = start(t, journal, late);
  assert.equal(journal.journalId(), journalId);
  await meet(late, fake.open(), journal);
  assert.notEqual(journal.journalId(), journalId);
  await journal.take("pump-1", lane.batch([more, readings(lane, 3)]));
  await forwarder.idle();
  eachOnce(fake.outcomes, lane);
});

test("I4: a journal that may have gone back does not answer before it has met its queue", async () => {
  const { db, positions } = await settled();
  const late = lateQueue("e".repeat(32), positions);
  const elsewhere = identityInMemory();
  elsewhere.write({ journalId: "a".repeat(32), generation: 7 });
  await assert.rejects(journalInMemory(late, db, elsewhere), { name: "Fault", code: "busy", retryable: true });
  // One that looks right, but of which an agent has seen more, says nothing of that lane either.
  const again = await settled();
  const { journal } = await journalInMemory(lateQueue("e".repeat(32), again.positions), again.db, again.copy);
  const { refusals } = await journal.ask("pump-1", again.lane.ask(1_000));
  assert.deepEqual(
    refusals.map(({ reason }) => reason),
    ["busy"],
  );
  const { state } = await journal.ask("pump-1", again.lane.ask(1));
  assert.equal(state?.forwarded.length, 1);
});
