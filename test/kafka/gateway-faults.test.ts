/** Faults of gateways over one broker: killed at each point of a transaction, stalled as zombies, two for one shard. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { sleep, until } from "../../demo/waiting.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { comesThrough, lineOn, loadedLine, said } from "./line-under-test.ts";

/** In the order in which a start and a transaction walk; the pass is one under load where there is any. */
const points: readonly (readonly [point: string, pass: number])[] = [
  ["kafka shard taken", 1],
  ["kafka shard scanned", 1],
  ["kafka records sent", 1],
  ["kafka transaction committed", 1],
  ["kafka readings sent", 5],
  ["kafka records sent", 5],
  ["kafka transaction committed", 5],
];
/** librdkafka's transaction time-out, the least that a site can set, and what the broker takes to look. */
const abandonedMs = 62_000;
/** Half of what passed until the status told, when only a commit that failed was told of. */
const silenceMs = 30_000;

void describe("a gateway over one broker", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  void it("I5: it dies at each point of a start and of a transaction, under load", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    // The queue has something in it by now that is not released.
    await line.gateway.kill();
    for (const [point, pass] of points) {
      const dying = line.gateway.launch({ environment: { ...process.env, HOLDFAST_CRASH_AT: `${point}:${pass}` } });
      const timer = setTimeout(() => void dying.stop(), 30_000);
      const { signal } = await dying.ended;
      clearTimeout(timer);
      assert.equal(signal, "SIGKILL", `the gateway died at "${point}"`);
    }
    await line.gateway.start();
    await line.forwarded(500);
    await comesThrough(line, load);
  });

  void it("I5: it is stopped for longer than the transaction's time-out, and goes on as if nothing was", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    const zombie = line.gateway.process();
    for (const pauseMs of [abandonedMs, 1_000]) {
      zombie.signal("SIGSTOP");
      await sleep(pauseMs);
      zombie.signal("SIGCONT");
      await line.forwarded(500);
    }
    await comesThrough(line, load);
  });

  void it("I5: its broker hangs: the status says so while the commit is waited for, and the journal goes on", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    brokers.pause(1);
    t.after(() => brokers.resume(1));
    await until("the status tells", async () => (await line.gateway.status()).trouble, silenceMs);
    const { trouble, forwarder } = await line.gateway.status();
    assert.match(trouble ?? "", /the queue has not answered for \d+ s/);
    assert.equal(forwarder, "forwarding");
    await line.accepted(500);
    brokers.resume(1);
    await line.forwarded(500);
    await until("the status is content", async () => (await line.gateway.status()).trouble === null, 60_000);
    await comesThrough(line, load);
  });

  void it("I5: a second gateway takes the shard, the first keeps its agents' readings until it has it back", async (t) => {
    const { line: first, load } = await loadedLine(t, brokers);
    const { memory, topics } = first;
    const second = await lineOn(t, brokers, { namespace: topics.namespace, agentNames: ["pump-19"], memory });
    await second.start();
    const secondLoad = second.produce();
    await said(first, /forwarded by another gateway/);
    await second.forwarded(500);
    const { forwarder, trouble } = await first.gateway.status();
    assert.equal(forwarder, "stopped");
    assert.match(trouble ?? "", /forwarded by another gateway/);
    // Ingress goes on: what agents hold back does not grow.
    await first.accepted(500);
    await secondLoad.stop();
    await second.drain();
    await second.stop();
    assert.deepEqual(await first.gateway.stop(), { code: 0, signal: null });
    await first.gateway.start();
    await first.forwarded(500);
    await comesThrough(first, load);
  });

  void it("I5: of two gateways with one shard, one that was stopped in its transaction writes nothing later", async (t) => {
    const { line: first, load } = await loadedLine(t, brokers);
    const { memory, topics } = first;
    first.gateway.process().signal("SIGSTOP");
    const second = await lineOn(t, brokers, { namespace: topics.namespace, agentNames: ["pump-19"], memory });
    await second.start();
    const secondLoad = second.produce();
    await second.forwarded(500);
    first.gateway.process().signal("SIGCONT");
    await said(first, /forwarded by another gateway/);
    await second.forwarded(500);
    await secondLoad.stop();
    await second.drain();
    await second.stop();
    await first.gateway.stop();
    await first.gateway.start();
    await first.forwarded(500);
    await comesThrough(first, load);
  });
});
