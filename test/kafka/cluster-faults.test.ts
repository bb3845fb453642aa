/** A broker whose disk is full, one that forgets producers that were idle, and another cluster in place of the own one. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { sleep, until } from "../../demo/waiting.ts";
import { mountTmpfs } from "../crash/mounts.ts";
import { atEnd } from "../fakes/at-end.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { makeTopics } from "./line.ts";
import { comesThrough, loadedLine, refused } from "./line-under-test.ts";

async function brokerWith(t: TestContext, settings: Readonly<Record<string, string>> = {}): Promise<Brokers> {
  const brokers = await startBrokers(1, settings);
  atEnd(t, () => brokers.stop());
  return brokers;
}

void describe("a cluster that is not as it was", { skip: clusterMissing() ?? false }, () => {
  void it("I5: the broker's disk is full until somebody makes room", async (t) => {
    const disk = mountTmpfs(t, 96);
    if (typeof disk === "string") return t.skip(disk);
    const brokers = await brokerWith(t, { "log.dirs": disk.folder });
    const { line, load } = await loadedLine(t, brokers);
    disk.fill(0);
    await until("the broker gives up", () => /No space left on device/.test(brokers.log(1)), 60_000);
    await line.accepted(1_000);
    await brokers.kill(1);
    disk.free();
    await brokers.start(1);
    await line.forwarded(1_000, 120_000);
    await comesThrough(line, load);
  });

  void it("I5: the broker forgets the transactional id of a gateway that was idle", async (t) => {
    const brokers = await brokerWith(t, {
      "transactional.id.expiration.ms": "6000",
      "transaction.remove.expired.transaction.cleanup.interval.ms": "500",
      "producer.id.expiration.ms": "6000",
      "producer.id.expiration.check.interval.ms": "500",
    });
    const { line, load } = await loadedLine(t, brokers);
    for (let round = 0; round < 2; round++) {
      await load.stop();
      await line.drain();
      await sleep(9_000);
      const again = line.produce();
      await line.forwarded(500);
      await again.stop();
    }
    await comesThrough(line, load);
  });

  void it("I5: another cluster in place of the own one is refused, and the own one taken again", async (t) => {
    const brokers = await brokerWith(t);
    const { line, load } = await loadedLine(t, brokers);
    const other = await brokerWith(t);
    await makeTopics(other, line.topics);
    await line.gateway.stop();
    const config = readFileSync(line.gateway.configFile, "utf8");
    writeFileSync(line.gateway.configFile, config.replace(brokers.bootstrap, other.bootstrap));
    assert.match(await refused(line), /does not hold the queue of group .* is another cluster/);
    assert.deepEqual(await other.witnessed(line.topics.readings), []);
    writeFileSync(line.gateway.configFile, config);
    await line.gateway.start();
    await line.forwarded(500);
    await comesThrough(line, load);
  });
});
