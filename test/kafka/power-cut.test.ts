/**
 * A broker whose machine loses power loses what its disk had not yet: here the ends of partitions, cut off while the
 * broker is down, with everything beside them that would give the cut away. Kafka recovers what is left without a word.
 */
import assert from "node:assert/strict";
import { readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { passed } from "../../demo/audit.ts";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import type { KafkaLine } from "./line.ts";
import { loadedLine, said } from "./line-under-test.ts";

/** Longer than all of the load before the cut: what is lost was never released. */
const settle = "20s";

void describe("a broker that lost the ends of partitions", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  /** Kills the broker under load, cuts, and starts it again; with `withGateway` the gateway's machine had the same power cut. */
  async function cutUnderLoad(t: TestContext, withGateway: boolean, cuts: (line: KafkaLine) => Cut[]): Promise<void> {
    const { line, load } = await loadedLine(t, brokers, { kafka: { settle } });
    await line.forwarded(3_000);
    if (withGateway) await line.gateway.kill();
    await brokers.kill(1);
    for (const cut of cuts(line)) cutEnd(brokers.dataFolder(1), cut);
    const from = line.gatewayLog().length;
    await brokers.start(1);
    if (withGateway) await line.gateway.start();
    else await said(line, /lost records that it had acknowledged/, from, 90_000);
    await line.forwarded(500);
    await load.stop();
    await line.drain();
    await line.stop();
    const audit = await line.audit();
    t.diagnostic(`breaks of order: ${audit.orderBreaks}`);
    assert.ok(passed(audit), JSON.stringify([audit.counts, audit.findings]));
  }

  for (const withGateway of [false, true]) {
    const who = withGateway ? "and the gateway dies with it" : "and the gateway runs on";
    void it(`I5: of one data partition, ${who}: the journal brings it again`, (t) =>
      cutUnderLoad(t, withGateway, ({ topics }) => [{ partition: `${topics.readings}-0`, part: 0.5 }]));

    void it(`I5: of all data partitions, ${who}`, (t) =>
      cutUnderLoad(t, withGateway, ({ topics }) =>
        [0.3, 0.6, 0.9].map((part, at) => ({ partition: `${topics.readings}-${at}`, part })),
      ));

    void it(`I5: of the positions and of a data partition, ${who}`, (t) =>
      cutUnderLoad(t, withGateway, ({ topics }) => [
        { partition: `${topics.positions}-0`, part: 0.5 },
        { partition: `${topics.readings}-1`, part: 0.2 },
      ]));
  }

  void it("I5: of the positions, and the gateway dies with it: nothing comes twice", (t) =>
    cutUnderLoad(t, true, ({ topics }) => [{ partition: `${topics.positions}-0`, part: 0.7 }]));
});

interface Cut {
  /** The partition's folder. */
  readonly partition: string;
  /** Of its bytes, from the end. */
  readonly part: number;
}

/** Cuts the end off a partition of a broker that is down. */
function cutEnd(folder: string, { partition, part }: Cut): void {
  const path = join(folder, partition);
  const names = readdirSync(path);
  // A test's partition has one segment.
  const [segment = "", ...others] = names.filter((name) => name.endsWith(".log"));
  assert.equal(others.length, 0);
  for (const name of names.filter((one) => /\.(index|timeindex|txnindex|snapshot)$/.test(one)))
    rmSync(join(path, name));
  const { size } = statSync(join(path, segment));
  truncateSync(join(path, segment), Math.floor(size * (1 - part)));
  for (const name of readdirSync(folder).filter((one) => /checkpoint$/.test(one))) rmSync(join(folder, name));
}
