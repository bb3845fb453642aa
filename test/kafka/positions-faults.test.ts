/** What a careless administrator does to the positions topic while a line works on it: too short a memory, and too eager a cleaner. */
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { runJava } from "../../demo/kafka/java.ts";
import { command, gatewayScript } from "../../demo/line.ts";
import { until } from "../../demo/waiting.ts";
import { clusterMissing, connect, readAll } from "./cluster-under-test.ts";
import type { KafkaLine } from "./line.ts";
import { comesThrough, loadedLine, refused, said } from "./line-under-test.ts";

/** Retention and compaction at once instead of after minutes. */
const eager = {
  "log.initial.task.delay.ms": "500",
  "log.retention.check.interval.ms": "300",
  "log.cleaner.backoff.ms": "300",
  "log.segment.delete.delay.ms": "100",
};

void describe("the positions topic under load", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1, eager);
  });
  after(() => brokers.stop());

  const placeOf = ({ topics }: KafkaLine) => ({ topic: topics.positions, partition: 0 });

  const configure = (line: KafkaLine, ...change: string[]) =>
    runJava("kafka.admin.ConfigCommand", [
      ...["--bootstrap-server", brokers.bootstrap, "--entity-type", "topics", "--entity-name", line.topics.positions],
      ...["--alter", ...change],
    ]);

  const check = (line: KafkaLine) => command(gatewayScript, ["check", "--config", line.gateway.configFile]);

  /** The beginning goes; the gateway must say so, and how to mend it, while it runs and at a start. */
  async function losesItsBeginning(t: TestContext, lose: (line: KafkaLine) => Promise<void>): Promise<void> {
    const { line, load } = await loadedLine(t, brokers);
    const from = line.gatewayLog().length;
    await lose(line);
    await said(line, /forwarding has stopped/, from);
    const { forwarder, trouble } = await line.gateway.status();
    assert.equal(forwarder, "stopped");
    assert.match(trouble ?? "", /has lost its beginning.*positions rebuild/);
    await line.accepted(500);
    await line.gateway.stop();
    // An administrator mends what check names first; what is gone stays gone, and the next look says so.
    await configure(line, "--add-config", "cleanup.policy=compact");
    const lost = /has lost its beginning.*positions rebuild/s;
    await assert.rejects(check(line), { code: 78, stderr: lost });
    assert.match(await refused(line), lost);
    await brokers.deleteTopic(line.topics.positions);
    await brokers.createTopic(line.topics.positions, { configs: { "cleanup.policy": "compact" } });
    await command(gatewayScript, ["positions", "rebuild", "--config", line.gateway.configFile]);
    await line.gateway.start();
    await line.forwarded(500);
    await comesThrough(line, load);
  }

  void it("I5: a short retention deletes its beginning: refused, named by check, and rebuilt", (t) =>
    losesItsBeginning(t, async (line) => {
      await configure(line, "--add-config", "cleanup.policy=delete,retention.ms=1000,segment.ms=1000");
      await assert.rejects(check(line), { code: 78, stderr: /positions has cleanup\.policy=delete/ });
    }));

  void it("I5: its first records are deleted by hand: refused, and rebuilt", (t) =>
    losesItsBeginning(t, async (line) => {
      // Of a compacted topic Kafka itself deletes nothing.
      await configure(line, "--add-config", "cleanup.policy=delete");
      const { high } = await (await connect(t, brokers.bootstrap)).watermarks(placeOf(line));
      await brokers.deleteBefore(placeOf(line), high);
    }));

  void it("I5: it is compacted all the time, while gateway and broker die: nothing is lost or doubled", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    const cluster = await connect(t, brokers.bootstrap);
    const lags = "min.compaction.lag.ms=0,max.compaction.lag.ms=1,delete.retention.ms=0";
    await configure(line, "--add-config", `segment.ms=300,min.cleanable.dirty.ratio=0,${lags}`);
    for (let round = 0; round < 3; round++) {
      const { high: before } = await cluster.watermarks(placeOf(line));
      const isCompacted = async (): Promise<boolean> => {
        const { high } = await cluster.watermarks(placeOf(line));
        return high > before + 100 && (await readAll(cluster, placeOf(line))).length < 50;
      };
      await until("the positions are compacted", isCompacted, 60_000, 300);
      await line.gateway.kill();
      if (round === 1) {
        await brokers.kill(1);
        await brokers.start(1);
      }
      await line.gateway.start();
      await line.forwarded(500);
    }
    await comesThrough(line, load);
  });
});
