/**
 * A broker whose machine loses power loses what its disk had not yet: here the ends of partitions, cut off while the
 * broker is down, with everything beside them that would give the cut away. Kafka recovers what is left without a word.
 */
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { refuseFindings } from "./audit.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { type Cut, cutEnd } from "./cut-end.ts";
import type { KafkaLine } from "./line.ts";
import { loadedLine, said } from "./line-under-test.ts";

/** Longer than what is cut took to write: none of it was released. */
const settle = "8s";

void describe("a broker that lost the ends of partitions", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  /** Kills the broker under load, cuts, and starts it again; with `withGateway` the gateway's machine had the same power cut. */
  async function cutUnderLoad(t: TestContext, withGateway: boolean, cuts: (line: KafkaLine) => Cut[]): Promise<void> {
    const { line, load } = await loadedLine(t, brokers, { kafka: { settle } });
    await line.forwarded(2_000);
    if (withGateway) await line.gateway.kill();
    await brokers.kill(1);
    for (const cut of cuts(line)) cutEnd(brokers.dataFolder(1), cut);
    const from = line.gatewayLog().length;
    await brokers.start(1);
    if (withGateway) await line.gateway.start();
    // The broker's own count of the producer's batches mostly tells first; else the look at what has settled does.
    else await said(line, /sequence desynchronization|lost records that it had acknowledged/, from, 90_000);
    await line.forwarded(500);
    await load.stop();
    await line.drain();
    await line.stop();
    const audit = await line.audit();
    refuseFindings(audit);
  }

  void it("I5: of one data partition, and the gateway runs on: the journal brings it again", (t) =>
    cutUnderLoad(t, false, ({ topics }) => [{ partition: `${topics.readings}-0`, part: 0.4 }]));

  void it("I5: of the positions, and the gateway runs on: nothing comes twice", (t) =>
    cutUnderLoad(t, false, ({ topics }) => [{ partition: `${topics.positions}-0`, part: 0.4 }]));

  void it("I5: of all partitions, each elsewhere, and the gateway dies with it", (t) =>
    cutUnderLoad(t, true, ({ topics: { readings, positions } }) => [
      ...[0.1, 0.2, 0.4].map((part, at) => ({ partition: `${readings}-${at}`, part })),
      { partition: `${positions}-0`, part: 0.3 },
    ]));
});
