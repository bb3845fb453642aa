/** A gateway that is started while its cluster is away: a site's power comes back before its link does. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { until } from "../../demo/waiting.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { comesThrough, loadedLine } from "./line-under-test.ts";

void describe("a gateway without its cluster", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  void it("I3, I5: is started, takes what agents bring, and forwards it once the cluster is back", async (t) => {
    const { line, load } = await loadedLine(t, brokers);
    await brokers.kill(1);
    await line.gateway.kill();
    await line.gateway.start();
    const { trouble, groupId } = await line.gateway.status();
    assert.match(groupId, /^[0-9a-f]{32}$/);
    const before = (await line.gateway.status()).pendingReadings;
    await until(
      "agents bring more",
      async () => (await line.gateway.status()).pendingReadings > before + 1_000,
      30_000,
    );
    t.diagnostic(`started without the cluster: ${trouble}`);
    await brokers.start(1);
    await line.forwarded(1_000);
    await comesThrough(line, load);
  });
});
