/** What administrators and other programs do to the queue's topics while a line works on them. */
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers, type TopicWish } from "../../demo/kafka/brokers.ts";
import { runJava } from "../../demo/kafka/java.ts";
import { command, gatewayScript } from "../../demo/line.ts";
import { until } from "../../demo/waiting.ts";
import { clusterMissing, connect, recordAt, untilSettled } from "./cluster-under-test.ts";
import type { KafkaLine } from "./line.ts";
import { comesThrough, loadedLine, refused, said } from "./line-under-test.ts";

const compacted: TopicWish = { configs: { "cleanup.policy": "compact" } };

void describe("the queue's topics", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  /** Stops the gateway with all that it has settled, so that what is done to its topics cannot be an accident of timing. */
  async function settledAndStopped(t: TestContext) {
    const { line, load } = await loadedLine(t, brokers);
    await load.stop();
    await line.drain();
    await line.gateway.stop();
    return line;
  }

  /** Changes one setting of a topic, as an administrator does. */
  const configure = (topic: string, setting: string) =>
    runJava("kafka.admin.ConfigCommand", [
      ...["--bootstrap-server", brokers.bootstrap, "--entity-type", "topics", "--entity-name", topic],
      ...["--alter", "--add-config", setting],
    ]);

  const rebuild = (line: KafkaLine) =>
    command(gatewayScript, ["positions", "rebuild", "--config", line.gateway.configFile]);

  /** The line runs again, under load, and nothing is missing or doubled. */
  async function goesOn(line: KafkaLine): Promise<void> {
    await line.gateway.start();
    const load = line.produce();
    await line.forwarded(500);
    await comesThrough(line, load);
  }

  void it("I5: positions that were deleted and made again are refused, and rebuilt", async (t) => {
    const line = await settledAndStopped(t);
    await brokers.deleteTopic(line.topics.positions);
    await brokers.createTopic(line.topics.positions, compacted);
    assert.match(await refused(line), /does not hold the queue of group .*positions rebuild/s);
    await rebuild(line);
    await goesOn(line);
  });

  void it("I5: positions that lost their beginning are refused, and rebuilt", async (t) => {
    const line = await settledAndStopped(t);
    const { positions } = line.topics;
    // Of a compacted topic Kafka itself deletes nothing.
    await configure(positions, "cleanup.policy=delete");
    await brokers.deleteBefore({ topic: positions, partition: 0 }, 5);
    await configure(positions, "cleanup.policy=compact");
    assert.match(await refused(line), /has lost its beginning.*positions rebuild/s);
    await brokers.deleteTopic(positions);
    await brokers.createTopic(positions, compacted);
    await rebuild(line);
    await goesOn(line);
  });

  void it("I5: a foreign record among the positions is refused, and named by its offset", async (t) => {
    const line = await settledAndStopped(t);
    const place = { topic: line.topics.positions, partition: 0 };
    const stranger = (await connect(t, brokers.bootstrap)).producer("stranger");
    t.after(() => stranger.close());
    await stranger.init();
    const [end] = await stranger.send([recordAt(place, "hello")]);
    await untilSettled(() => stranger.commit());
    assert.match(await refused(line), new RegExp(`offset ${end?.offset} of ${place.topic}.*is not one of Holdfast's`));
  });

  void it("I5: positions that are deleted under load stop the forwarder, which says why; agents are served on", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    await brokers.deleteTopic(line.topics.positions);
    // What is under way fails by a time-out first, after a minute, and that names nothing.
    const isNamed = async (): Promise<boolean> => {
      const { trouble } = await line.gateway.status();
      return trouble?.includes(`the topic ${line.topics.positions} is not there`) === true;
    };
    await until("the status names the topic", isNamed, 120_000);
    await line.accepted(500);
    await brokers.createTopic(line.topics.positions, compacted);
    await said(line, /does not hold the queue of group/);
    await line.gateway.stop();
    await rebuild(line);
    await line.gateway.start();
    await line.forwarded(500);
    await comesThrough(line, load);
  });

  void it("I5: a data topic that is deleted under load and made again costs what was released, and no more", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    const { readings } = line.topics;
    const isReleased = async (): Promise<boolean> => {
      const { forwardedReadings, settlingReadings } = await line.gateway.status();
      return forwardedReadings - settlingReadings > 500;
    };
    await until("something is released", isReleased);
    await brokers.deleteTopic(readings);
    await brokers.createTopic(readings, { partitions: 3, configs: { "retention.ms": "-1" } });
    await line.forwarded(500, 120_000);
    await load.stop();
    // Where no load goes on, what is missing counts as undecided first, for a minute and a half.
    await line.drain(180_000);
    await line.stop();
    const { counts, findings, orderBreaks } = await line.audit();
    t.diagnostic(JSON.stringify({ counts, findings: findings.slice(0, 8) }));
    assert.deepEqual(
      Object.keys(counts).filter((kind) => kind !== "lost" && kind !== "seq missing"),
      [],
    );
    // A lane misses its beginning, as far as the journal had let go of it, and nothing else.
    const holes = findings
      .filter(({ kind }) => kind === "seq missing")
      .map(({ text }) => / 1 to (\d+)$/.exec(text)?.[1]);
    assert.ok(holes.length >= 1 && holes.length <= 2 && !holes.includes(undefined), JSON.stringify(findings));
    assert.equal(
      counts.lost,
      holes.reduce((sum, last) => sum + Number(last), 0),
    );
    // What is written again stands behind what was written until the loss was noticed: once for each of the 8 series.
    assert.ok(orderBreaks <= 8, `${orderBreaks} breaks of order`);
  });

  void it("I5: batches that only the broker finds too large become smaller, and the line goes on", async (t) => {
    const { line, load } = await loadedLine(t, brokers, {}, { pauseMs: 20, bodyReadingsMax: 50 });
    await configure(line.topics.readings, "max.message.bytes=2000");
    await said(line, /takes less than before/);
    await line.forwarded(5_000);
    await comesThrough(line, load);
  });
});
