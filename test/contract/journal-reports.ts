/** The contract of every journal engine, second part: reports, declared losses, old epochs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Journal } from "../../gateway/journal/journal.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { epochsKept } from "../../shared/limits.ts";
import { type AgentLane, agentLane, helloOf, idOf } from "../fakes/agent-lane.ts";
import { fakeQueue } from "../fakes/queue.ts";
import { forwardedBy, type JournalSetup } from "./journal.ts";

/** Runs of one store, each with one block that reached the queue; every successor names where the one before ended. */
async function forwardedRuns(journal: Journal, queue: Queue, count: number): Promise<AgentLane[]> {
  const lanes: AgentLane[] = [];
  for (let run = 1; run <= count; run++) {
    const before = lanes.at(-1);
    const predecessor =
      before === undefined ? null : { epoch: before.lane.epoch, lastSeqs: new Map([["telemetry", 4]]) };
    const lane = agentLane({ run, predecessor });
    const block = lane.block(4);
    await journal.take("pump-1", lane.batch([block]));
    const position = { lane: lane.lane, storeId: lane.record.storeId, run, forwarded: forwardedBy([block]) };
    await queue.commit([], [position]);
    await journal.settle(
      journal.read(1e6, 1e6).map((entry) => entry.id),
      [position],
    );
    lanes.push(lane);
  }
  return lanes;
}

export function journalReportsContract(engine: string, setUp: () => JournalSetup): void {
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

  check("a successor that names less than was told yields a store-lost report, which shrinks", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const old = agentLane({ run: 1 });
    const [one, two, three] = [old.block(5), old.block(5), old.block(5)];
    await journal.take("pump-1", { ...old.batch([one]), newest: 15 });
    const next = agentLane({ run: 2, predecessor: { epoch: old.lane.epoch, lastSeqs: new Map([["telemetry", 7]]) } });
    await journal.hello("pump-1", helloOf(next));
    assert.deepEqual(journal.reports(), [{ kind: "store-lost", lane: old.lane, spans: [{ first: 8, last: 15 }] }]);
    await journal.take("pump-1", old.batch([three]));
    assert.deepEqual(journal.reports()[0]?.spans, [{ first: 8, last: 10 }]);
    await journal.take("pump-1", old.batch([two]));
    assert.deepEqual(journal.reports(), []);
  });

  check("a known agent with an unknown store and no predecessor yields a store-lost report", async ({ open }) => {
    const journal = await open(fakeQueue().open());
    const old = agentLane({ store: 1 });
    await journal.hello("pump-1", helloOf(old));
    await journal.take("pump-1", { ...old.batch([old.block(5)]), newest: 9 });
    await journal.hello("pump-1", { ...helloOf(agentLane({ store: 2 })), open: null });
    assert.deepEqual(journal.reports(), [{ kind: "store-lost", lane: old.lane, spans: [{ first: 6, last: 9 }] }]);
    await journal.hello("pump-2", helloOf(agentLane({ agent: "pump-2", store: 3 })));
    assert.equal(journal.reports().length, 1, "an agent that was never seen has lost nothing");
  });

  check("I6: only open seqs that were given out can be declared lost", async ({ open, crash }) => {
    const queue = fakeQueue();
    let journal = await open(queue.open());
    const lane = agentLane();
    const [, two] = [lane.block(5), lane.block(5)];
    await journal.take("pump-1", { ...lane.batch([two]), newest: 12 });
    await journal.ask("pump-1", lane.ask(0, [{ first: 1, last: 5 }]));
    crash();
    journal = await open(queue.open());
    assert.deepEqual(journal.reports(), [{ kind: "journal-lost", lane: lane.lane, spans: [{ first: 1, last: 5 }] }]);
    const filled = await journal.declareLost(lane.lane, [{ first: 3, last: 99 }], "journal-lost");
    assert.equal(filled, 5, "seqs 3 to 5 and 11 to 12");
    assert.deepEqual(journal.reports()[0]?.spans, [{ first: 1, last: 2 }]);
    assert.equal(await journal.declareLost(lane.lane, [{ first: 3, last: 99 }], "journal-lost"), 0);
    const spans = journal.read(1e6, 1e6).map(({ block }) => [block.first, block.count, block.codec]);
    assert.deepEqual(spans.slice(1), [
      [3, 3, 0],
      [11, 2, 0],
    ]);
    const unknown = { agent: "pump-1", stream: "telemetry", epoch: idOf(99, 16) };
    await assert.rejects(journal.declareLost(unknown, [{ first: 1, last: 2 }], "journal-lost"), { code: "bad-input" });
  });

  check("I8: old epochs give way to a floor below the lowest unsettled run", async ({ open }) => {
    const queue = fakeQueue().open();
    const journal = await open(queue);
    const lanes = await forwardedRuns(journal, queue, epochsKept + 6);
    assert.deepEqual(journal.forgettable(), [], "no HELLO said what is settled");
    await journal.hello("pump-1", helloOf(lanes.at(-1) as AgentLane, 4));
    const [forgetting] = journal.forgettable();
    assert.equal(forgetting?.floor.run, 3);
    assert.deepEqual(
      forgetting?.lanes.map((lane) => lane.epoch),
      lanes.slice(0, 3).map((lane) => lane.lane.epoch),
    );

    const [first, , , fourth] = lanes as [AgentLane, AgentLane, AgentLane, AgentLane];
    const hindered = await journal.take("pump-1", first.batch([first.block(3)]));
    assert.equal(hindered.refusals[0]?.reason, "busy", "nothing new comes in while a lane is being forgotten");

    if (forgetting === undefined) return;
    await queue.forget(forgetting.floor, forgetting.lanes);
    await journal.forget(forgetting);
    const expired = await journal.ask("pump-1", first.ask());
    assert.deepEqual(
      expired.refusals.map(({ reason, floor }) => [reason, floor]),
      [["expired", 3]],
    );
    const kept = await journal.ask("pump-1", fourth.ask());
    assert.equal(kept.state?.forwarded.length, 1);
    assert.deepEqual(journal.forgettable(), []);
  });

  check("a stop between the queue's forgetting and the journal's is finished at open", async ({ open, crash }) => {
    const queue = fakeQueue();
    const handle = queue.open();
    const journal = await open(handle);
    const lanes = await forwardedRuns(journal, handle, epochsKept + 3);
    await journal.hello("pump-1", helloOf(lanes.at(-1) as AgentLane));
    const [forgetting] = journal.forgettable();
    assert.equal(forgetting?.lanes.length, 2, "the open epoch is not full, so 64 of 66 are kept");
    if (forgetting === undefined) return;
    await handle.forget(forgetting.floor, forgetting.lanes);
    crash();
    const after = await open(queue.open());
    assert.equal(after.journalId(), journal.journalId());
    assert.equal(after.lanes().length, lanes.length - 2);
    const [first] = lanes as [AgentLane];
    const { refusals } = await after.ask("pump-1", first.ask());
    assert.equal(refusals[0]?.reason, "expired");
  });

  check("the floor stays below a lane that only the journal knows", async ({ open }) => {
    const queue = fakeQueue().open();
    const journal = await open(queue);
    const lanes = await forwardedRuns(journal, queue, epochsKept + 6);
    const stranger = agentLane({ run: 2, stream: "log" });
    await journal.take("pump-1", stranger.batch([stranger.block(1)]));
    await journal.hello("pump-1", helloOf(lanes.at(-1) as AgentLane));
    assert.equal(journal.forgettable()[0]?.floor.run, 1);
  });

  check("an epoch that was given up counts as full", async ({ open }) => {
    const queue = fakeQueue().open();
    const journal = await open(queue);
    const stuck = agentLane({ run: 1 });
    const [one, two] = [stuck.block(4), stuck.block(4)];
    await journal.take("pump-1", stuck.batch([two]));
    const position = { lane: stuck.lane, storeId: stuck.record.storeId, run: 1, forwarded: forwardedBy([two]) };
    await queue.commit([], [position]);
    await journal.settle(
      journal.read(1e6, 1e6).map((entry) => entry.id),
      [position],
    );
    assert.equal(one.first, 1);
    for (let run = 2; run <= epochsKept + 2; run++) {
      const before = idOf(0x10000 + run - 1, 16);
      const predecessor = run === 2 ? null : { epoch: before, lastSeqs: new Map([["telemetry", 4]]) };
      const lane = agentLane({ run, predecessor, givenUp: [stuck.lane.epoch] });
      const block = lane.block(4);
      await journal.take("pump-1", lane.batch([block]));
      const at = { lane: lane.lane, storeId: lane.record.storeId, run, forwarded: forwardedBy([block]) };
      await queue.commit([], [at]);
      await journal.settle(
        journal.read(1e6, 1e6).map((entry) => entry.id),
        [at],
      );
    }
    await journal.hello("pump-1", helloOf(agentLane({ run: 99 })));
    assert.deepEqual(
      journal.forgettable().flatMap((one) => one.lanes),
      [stuck.lane],
    );
  });
}
