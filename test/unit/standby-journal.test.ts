/** The journal under a queue on two clusters: what it compares itself with, forgets, and keeps when one of them is away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../demo/waiting.ts";
import { positionsIn } from "../../gateway/journal/remembered.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { readings } from "../fakes/counted-blocks.ts";
import { clusterOf, standbyLine } from "../fakes/standby-line.ts";

const lanes = () => ({
  quiet: agentLane({ agent: "quiet-1", store: 1 }),
  busy: agentLane({ agent: "busy-2", store: 2 }),
});

/** A line whose quiet lane stands on the primary alone, while the standby is active. */
async function changed(t: Parameters<typeof standbyLine>[0]) {
  const line = await standbyLine(t);
  const { quiet, busy } = lanes();
  const started = await line.start();
  await started.ready();
  await started.bring(quiet, 10);
  await started.bring(busy, 5);
  await started.queue.switchTo("standby");
  await started.ready();
  await started.bring(busy, 5);
  return { line, started, quiet, busy };
}

test("I4: what only a cluster had that was given up stays forwarded, under a new journal id too, and forwarding goes on", async (t) => {
  const { line, started, quiet, busy } = await changed(t);
  line.clusters.primary.setAway(true);
  await started.queue.abandon("primary");
  await started.ready();
  const id = started.journal.journalId();
  // An agent that has seen a later position: the journal went back.
  await started.journal.ask("quiet-1", quiet.ask(1_000_000));
  assert.notEqual(started.journal.journalId(), id);
  assert.deepEqual(started.forwarded(quiet), [[1, 10]]);
  await started.bring(busy, 3);
  assert.equal(started.queue.status().abandoned, "primary");
  await started.die();
  const again = await line.start();
  await again.ready();
  assert.deepEqual(again.forwarded(quiet), [[1, 10]]);
  assert.equal(again.queue.status().abandoned, "primary");
});

test("I5: what a cluster that was given up may have is in doubt until the other one has it, and then another cluster may come", async (t) => {
  const line = await standbyLine(t);
  const started = await line.start();
  await started.ready();
  line.clusters.primary.setAway(true);
  const { quiet } = lanes();
  await started.journal.take("quiet-1", quiet.batch([readings(quiet, 10)]));
  const isNoted = (): boolean => started.journal.ledger.reserved("primary").length > 0;
  await until("it is noted as sent to the primary", isNoted, 10_000, 5);
  await started.queue.abandon("primary");
  await until("it is in doubt", () => started.queue.status().doubtedSeqs === 10, 10_000, 5);
  await until("nothing is", () => started.queue.status().doubtedSeqs === 0, 10_000, 5);
  assert.deepEqual(started.forwarded(quiet), [[1, 10]]);
  await started.die();
  const again = await line.start();
  await again.ready();
  await again.queue.renew("primary");
  assert.equal(again.queue.status().abandoned, null);
});

for (const [title, returns] of [
  ["that is back", true],
  ["that is still away", false],
] as const) {
  test(`lanes that were forgotten without a cluster ${title} are no reason for a new journal id`, async (t) => {
    const { line, started, quiet, busy } = await changed(t);
    const id = started.journal.journalId();
    line.clusters.primary.setAway(true);
    const floor = { agent: "quiet-1", storeId: quiet.record.storeId, run: quiet.record.run };
    await started.queue.forget(floor, [quiet.lane]);
    await started.journal.forget({ floor, lanes: [quiet.lane] });
    await started.die();
    line.clusters.primary.setAway(!returns);
    const again = await line.start();
    await again.ready();
    if (returns) await until("the primary answers", () => again.queue.reach() === "all", 10_000, 5);
    await again.bring(busy, 3);
    assert.equal(again.journal.journalId(), id);
    assert.deepEqual(again.forwarded(quiet), []);
  });
}

test("the one that kept forgotten lanes may be the only one that answers", async (t) => {
  const { line, started, quiet, busy } = await changed(t);
  const id = started.journal.journalId();
  line.clusters.primary.setAway(true);
  const floor = { agent: "quiet-1", storeId: quiet.record.storeId, run: quiet.record.run };
  await started.queue.forget(floor, [quiet.lane]);
  await started.journal.forget({ floor, lanes: [quiet.lane] });
  await started.die();
  line.clusters.primary.setAway(false);
  const again = await line.start();
  await again.ready();
  await until("the primary answers", () => again.queue.reach() === "all", 10_000, 5);
  await again.queue.switchTo("primary");
  await again.ready();
  line.clusters.standby.setAway(true);
  await again.bring(busy, 3);
  assert.equal(again.journal.journalId(), id);
});

for (const away of [false, true]) {
  test(`a stop between the queue's forgetting and the journal's is finished at the next start, the other cluster ${away ? "away" : "there"}`, async (t) => {
    const { line, started, quiet, busy } = await changed(t);
    const id = started.journal.journalId();
    await started.queue.forget({ agent: "quiet-1", storeId: quiet.record.storeId, run: quiet.record.run }, [
      quiet.lane,
    ]);
    await started.die();
    line.clusters.primary.setAway(away);
    const again = await line.start();
    await again.ready();
    await again.bring(busy, 3);
    assert.equal(again.journal.journalId(), id);
  });
}

test("I4: the one cluster that stays of two tells of what the other one had", async (t) => {
  const { line, started } = await changed(t);
  const third = agentLane({ agent: "standby-3", store: 3 });
  await started.bring(third, 7);
  await started.queue.switchTo("primary");
  await started.ready();
  const id = started.journal.journalId();
  await started.die();
  const adopting = await line.alone("primary", positionsIn(line.db) ?? []);
  await until("it is released", () => adopting.progress().released >= 0, 10_000, 5);
  await adopting.close();
  const alone = await line.alone("primary");
  t.after(() => alone.close());
  const journal = await line.journalOn(alone);
  assert.equal(journal.journalId(), id);
  assert.deepEqual(
    alone.released(third.lane).map(({ first, last }) => [first, last]),
    [[1, 7]],
  );
});

test("I5: under a new journal id another cluster does not pass for the standby, and a lost one is not made anew", async (t) => {
  const { line, started, quiet } = await changed(t);
  line.clusters.standby = clusterOf("C");
  await started.journal.ask("quiet-1", quiet.ask(1_000_000));
  await started.queue.switchTo("primary").catch(() => undefined);
  await until(
    "it is refused",
    () => /does not hold the queue/.test(started.queue.status().clusters.standby.trouble ?? ""),
    10_000,
    5,
  );
  assert.notEqual(started.queue.status().trouble, null);
});
