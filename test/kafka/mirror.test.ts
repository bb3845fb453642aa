/** A line on a cluster that a real MirrorMaker copies to a standby: the cluster is lost for ever, and the gateway resumes there. */
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { command, gatewayScript } from "../../demo/line.ts";
import { sleep, until } from "../../demo/waiting.ts";
import { atEnd } from "../fakes/at-end.ts";
import { testFolder } from "../fakes/real-line.ts";
import { auditTopics, type KafkaAudit, refuseFindings } from "./audit.ts";
import { clusterMissing, connect } from "./cluster-under-test.ts";
import type { KafkaLine } from "./line.ts";
import { lineOn, refused, said } from "./line-under-test.ts";
import { layMirrorMaker, type MirrorMaker } from "./mirror-maker.ts";
import { configure } from "./two-clusters.ts";

/** MirrorMaker takes its time to begin, and what it left open to end. */
const startWithinMs = 150_000;
/** Of the line. */
const settleMs = 2_000;

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
    const maker = await copying(t, line, primary, standby);
    return { line, maker };
  }

  /** A MirrorMaker that runs, and has made the line's topics. */
  async function copying(t: TestContext, line: KafkaLine, from: Brokers, to: Brokers): Promise<MirrorMaker> {
    const topics = `${line.topics.namespace}[.].*`;
    const maker = await layMirrorMaker(testFolder(t, "mirror"), { from, to, topics, isBack: from === standby });
    atEnd(t, () => maker.end("SIGKILL"));
    maker.start();
    const cluster = await connect(t, to.bootstrap);
    const isCopied = async (): Promise<boolean> => (await cluster.topics()).has(line.topics.positions);
    await until("MirrorMaker has made the topics", isCopied, startWithinMs).catch((cause: unknown) => {
      throw new Error(maker.log().slice(-3_000), { cause });
    });
    return maker;
  }

  /** The gateway's configuration as the page says it is after the move. */
  async function moveTo(t: TestContext, line: KafkaLine, to: Brokers, isConfirmed = true): Promise<void> {
    const clusterId = await (await connect(t, to.bootstrap)).clusterId();
    configure(line, (kafka) => {
      kafka.brokers = to.bootstrap.split(",");
      delete kafka.standby;
      if (isConfirmed) kafka.confirmCluster = clusterId;
    });
  }

  async function auditOf(line: KafkaLine, { bootstrap }: Brokers): Promise<KafkaAudit> {
    const { readings, losses, deadLetters } = line.topics;
    return await auditTopics(bootstrap, [readings, losses, deadLetters], line.memory);
  }

  /** Kills and restarts MirrorMaker and the gateway, then loses the cluster while MirrorMaker has long stood still. */
  async function lose(line: KafkaLine, maker: MirrorMaker): Promise<void> {
    for (let times = 0; times < 2; times++) {
      await maker.end("SIGKILL");
      await line.gateway.kill();
      await line.gateway.start();
      await line.forwarded(100, startWithinMs);
      maker.start();
      await released(line);
    }
    await maker.end("SIGKILL");
    // Without a mirror the journal would let go of these: they are forwarded, and settled several times over.
    await line.forwarded(500, startWithinMs);
    await sleep(5 * settleMs);
    const { settlingReadings } = await line.gateway.status();
    assert.ok(settlingReadings >= 500, `${settlingReadings} readings wait for the mirror`);
    await primary.kill(1);
    await line.accepted(100);
  }

  /** Waits until the journal has let go of all that it holds now. */
  async function released(line: KafkaLine): Promise<void> {
    const { forwardedReadings: all } = await line.gateway.status();
    const isReleased = async (): Promise<boolean> => {
      const { forwardedReadings, settlingReadings } = await line.gateway.status();
      return forwardedReadings - settlingReadings >= all;
    };
    await until("the mirror has caught up", isReleased, startWithinMs);
  }

  it("I5: MirrorMaker and the gateway are killed, the cluster is lost for ever, and the standby goes on without a hole or a double", async (t) => {
    const { line, maker } = await mirrored(t);
    await line.start();
    const load = line.produce();
    await line.forwarded(200, startWithinMs);
    await lose(line, maker);

    await line.gateway.stop();
    await moveTo(t, line, standby, false);
    assert.match(await refused(line), /confirmCluster/);
    await moveTo(t, line, standby);
    await line.gateway.start();
    await line.forwarded(200, startWithinMs);
    await load.stop();
    await line.drain(startWithinMs);
    await line.stop();
    const audit = await auditOf(line, standby);
    refuseFindings(audit);
    assert.equal(audit.lostSeqs, 0);
    assert.ok(audit.acknowledged > 0 && audit.queued >= audit.acknowledged);

    await t.test("I5: a MirrorMaker that is started after the move is refused, and the queue is rebuilt", () =>
      startedAgain(line, maker),
    );
  });

  it("I5: the way there and back in peace, under load: the first cluster is seeded anew, and in the end it holds everything, once, in order", async (t) => {
    const { line, maker } = await mirrored(t);
    await line.start();
    const load = line.produce();
    await line.forwarded(200, startWithinMs);
    await line.gateway.stop();
    await maker.end("SIGTERM");
    await moveTo(t, line, standby);
    await line.gateway.start();
    await line.forwarded(200, startWithinMs);

    await empty(t, primary, `${line.topics.namespace}.`, "mm2-");
    await empty(t, standby, "mm2-");
    const back = await copying(t, line, standby, primary);
    configure(line, (kafka) => {
      kafka.standby = { form: "mirror", brokers: primary.bootstrap.split(",") };
    });
    await line.gateway.stop();
    await line.gateway.start();
    await line.forwarded(200, startWithinMs);
    await released(line);
    await line.gateway.stop();
    await back.end("SIGTERM");
    await moveTo(t, line, primary);
    await line.gateway.start();
    await line.forwarded(200, startWithinMs);
    await load.stop();
    await line.drain(startWithinMs);
    await line.stop();
    const audit = await auditOf(line, primary);
    refuseFindings(audit);
    assert.equal(audit.lostSeqs, 0);
    assert.ok(audit.acknowledged > 0 && audit.queued >= audit.acknowledged);
  });

  /** Removes topics from a cluster by their prefixes. */
  async function empty(t: TestContext, from: Brokers, ...prefixes: string[]): Promise<void> {
    const names = [...(await (await connect(t, from.bootstrap)).topics()).keys()];
    for (const name of names) if (prefixes.some((prefix) => name.startsWith(prefix))) await from.deleteTopic(name);
  }

  /** The other cluster comes back with its data, and somebody starts MirrorMaker again. */
  async function startedAgain(line: KafkaLine, maker: MirrorMaker): Promise<void> {
    await primary.start(1);
    const from = line.gatewayLog().length;
    await line.start();
    maker.start();
    const later = line.produce();
    const copied = /records of the queue's former cluster \S+ were copied behind/;
    await said(line, copied, from, startWithinMs);
    await maker.end("SIGKILL");
    await line.gateway.stop();
    assert.match(await refused(line), copied);

    // What it had copied stands there twice now. All the rest is found again.
    await later.stop();
    const { positions } = line.topics;
    await standby.deleteTopic(positions);
    await standby.createTopic(positions, { configs: { "cleanup.policy": "compact" } });
    const rebuilt = await command(gatewayScript, ["positions", "rebuild", "--config", line.gateway.configFile]);
    assert.match(rebuilt.stderr, /more than once/);
    await line.gateway.start();
    await line.drain(startWithinMs);
    await line.stop();
    const { counts } = await auditOf(line, standby);
    assert.ok((counts.doubled ?? 0) > 0);
    assert.deepEqual([counts.lost, counts["seq missing"]], [undefined, undefined]);
  }
});
