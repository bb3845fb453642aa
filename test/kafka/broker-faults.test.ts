/** Faults of three brokers under a line at work: killed one by one, leaders that move, and all of them away. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { alterPartitionReassignmentsV0, ConnectionPool } from "@platformatic/kafka";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { sleep, until } from "../../demo/waiting.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import type { KafkaLine } from "./line.ts";
import { comesThrough, loadedLine } from "./line-under-test.ts";

/** Leaders go back to the first of their replicas within a second or two. */
const restless = {
  "auto.leader.rebalance.enable": "true",
  "leader.imbalance.check.interval.seconds": "1",
  "leader.imbalance.per.broker.percentage": "0",
};
const nodes = [1, 2, 3];

void describe("three brokers under load", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(3, restless);
  });
  after(() => brokers.stop());

  void it("I5: each broker is killed once, and comes back", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    for (const node of nodes) {
      await brokers.kill(node);
      await line.forwarded(500);
      await brokers.start(node);
      await line.forwarded(500);
    }
    await comesThrough(line, load);
  });

  void it("I5: every partition's leader moves every few seconds", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    for (let round = 1; round <= 6; round++) {
      await moveLeaders(brokers, line, round);
      await sleep(2_500);
    }
    await line.forwarded(500);
    await comesThrough(line, load);
  });

  void it("I5, I8: all brokers are away for a minute: the journal grows, memory does not, and all of it drains", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    await Promise.all(nodes.map((node) => brokers.kill(node)));
    await until("the gateway says why it waits", async () => (await line.gateway.status()).trouble, 30_000);
    await sleep(5_000);
    const early = { rssBytes: line.rssBytes(), ...(await line.gateway.status()) };
    await sleep(45_000);
    const late = { rssBytes: line.rssBytes(), ...(await line.gateway.status()) };
    assert.ok(late.pendingReadings > early.pendingReadings + 5_000);
    assert.ok(late.rssBytes < early.rssBytes + 16 * 1024 * 1024, `${early.rssBytes} bytes became ${late.rssBytes}`);
    assert.notEqual(late.forwarder, "stopped");
    await Promise.all(nodes.map((node) => brokers.start(node)));
    await line.forwarded(late.pendingReadings);
    await comesThrough(line, load);
  });
});

/** Puts another replica first in the list of each partition; the brokers then move the leaders there by themselves. */
async function moveLeaders({ bootstrap }: Brokers, { topics }: KafkaLine, round: number): Promise<void> {
  const replicas = nodes.map((_, at) => nodes[(at + round) % nodes.length] as number);
  const { readings, losses, deadLetters, positions } = topics;
  const moves = [readings, losses, deadLetters, positions].map((name) => {
    const count = name === positions ? 1 : 3;
    return { name, partitions: Array.from({ length: count }, (_, partitionIndex) => ({ partitionIndex, replicas })) };
  });
  const pool = new ConnectionPool("tests");
  try {
    const [host = "", port = ""] = (bootstrap.split(",")[0] ?? "").split(":");
    const connection = await pool.get({ host, port: Number(port) });
    await alterPartitionReassignmentsV0.api.async(connection, 5_000, false, moves);
  } finally {
    await pool.close();
  }
}
