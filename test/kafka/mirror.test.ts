/** A line on a cluster that a real MirrorMaker copies to a standby: the cluster is lost for ever, and the gateway resumes there. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it, type TestContext } from "node:test";
import { parse, stringify } from "yaml";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { sleep, until } from "../../demo/waiting.ts";
import { atEnd } from "../fakes/at-end.ts";
import { testFolder } from "../fakes/real-line.ts";
import { auditTopics, type KafkaAudit, refuseFindings } from "./audit.ts";
import { clusterMissing, connect } from "./cluster-under-test.ts";
import type { KafkaLine } from "./line.ts";
import { lineOn, refused, said } from "./line-under-test.ts";
import { layMirrorMaker, type MirrorMaker } from "./mirror-maker.ts";

const startWithinMs = 120_000;

void describe("a gateway on a cluster that MirrorMaker copies", { skip: clusterMissing() ?? false }, () => {
  let primary: Brokers;
  let standby: Brokers;
  before(async () => {
    [primary, standby] = await Promise.all([startBrokers(1), startBrokers(1)]);
  });
  after(() => Promise.all([primary.stop(), standby.stop()]));

  /** A line whose topics are copied, and all that was written so far is there. */
  async function mirrored(t: TestContext): Promise<{ line: KafkaLine; maker: MirrorMaker }> {
    const kafka = { standby: { form: "mirror", brokers: standby.bootstrap.split(",") } };
    const line = await lineOn(t, primary, { kafka });
    const topics = `${line.topics.namespace}\\..*`;
    const maker = await layMirrorMaker(testFolder(t, "mirror"), primary, standby, topics);
    atEnd(t, () => maker.end("SIGKILL"));
    maker.start();
    const cluster = await connect(t, standby.bootstrap);
    const isCopied = async (): Promise<boolean> => (await cluster.topics()).has(line.topics.positions);
    await until("MirrorMaker has made the topics", isCopied, startWithinMs).catch((cause: unknown) => {
      throw new Error(maker.log().slice(-3_000), { cause });
    });
    return { line, maker };
  }

  /** The gateway's configuration as the page says it is after the move. */
  async function moveTo(t: TestContext, line: KafkaLine, brokers: Brokers, isConfirmed: boolean): Promise<void> {
    const cluster = await connect(t, brokers.bootstrap);
    const { configFile } = line.gateway;
    const config = parse(readFileSync(configFile, "utf8")) as { queue: { kafka: Record<string, unknown> } };
    config.queue.kafka.brokers = brokers.bootstrap.split(",");
    delete config.queue.kafka.standby;
    if (isConfirmed) config.queue.kafka.confirmCluster = await cluster.clusterId();
    writeFileSync(configFile, stringify(config));
  }

  async function audited(line: KafkaLine): Promise<KafkaAudit> {
    const { readings, losses, deadLetters } = line.topics;
    const audit = await auditTopics(standby.bootstrap, [readings, losses, deadLetters], line.memory);
    refuseFindings(audit);
    assert.equal(audit.lostSeqs, 0);
    assert.ok(audit.acknowledged > 0 && audit.queued >= audit.acknowledged);
    return audit;
  }

  it("I5: MirrorMaker and the gateway are killed, the cluster is lost for ever, and the standby goes on without a hole or a double", async (t) => {
    const { line, maker } = await mirrored(t);
    await line.start();
    const load = line.produce();
    await line.forwarded(200, startWithinMs);
    for (let times = 0; times < 2; times++) {
      await maker.end("SIGKILL");
      await line.gateway.kill();
      await line.gateway.start();
      await line.forwarded(100, startWithinMs);
      maker.start();
      await sleep(20_000);
    }
    await line.forwarded(100, startWithinMs);
    await primary.kill(1);
    await line.accepted(100);
    await maker.end("SIGKILL");
    await line.gateway.stop();
    await moveTo(t, line, standby, false);
    assert.match(await refused(line), /confirmCluster/);
    await moveTo(t, line, standby, true);
    const from = line.gatewayLog().length;
    await line.gateway.start();
    await line.forwarded(200, startWithinMs);
    await load.stop();
    await line.drain(startWithinMs);
    await line.stop();
    const audit = await audited(line);
    t.diagnostic(`${audit.queued} readings`);
    assert.doesNotMatch(line.gatewayLog().slice(from), /more than once/);
    void said;
  });
});
