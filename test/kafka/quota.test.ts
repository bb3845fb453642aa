/** A cluster that throttles: the line becomes slow, which is no error, and is as before once it may. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { runJava } from "../../demo/kafka/java.ts";
import { sleep } from "../../demo/waiting.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { comesThrough, loadedLine } from "./line-under-test.ts";

/** A small part of what the load writes, so that what waits grows without end. */
const quotaBytesPerSecond = 15_000;

void describe("a gateway that the cluster throttles", { skip: clusterMissing() ?? false }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  const quota = (...change: string[]) =>
    runJava("kafka.admin.ConfigCommand", [
      ...["--bootstrap-server", brokers.bootstrap, "--entity-type", "clients", "--entity-name", "holdfast-gateway"],
      ...["--alter", ...change],
    ]);

  void it("I5, I8: is slow without an error or a new term, in flat memory, and as before once the quota is lifted", async (t) => {
    const { line, load } = await loadedLine(t, brokers, {}, { pauseMs: 20 });
    const from = line.gatewayLog().length;
    const look = async () => ({ rssBytes: line.rssBytes(), ...(await line.gateway.status()) });
    await quota("--add-config", `producer_byte_rate=${quotaBytesPerSecond}`);
    // A gateway that has just been started still fetches what it keeps: code, pages of its journal, a commit's worth.
    await sleep(30_000);
    const early = await look();
    await sleep(30_000);
    const late = await look();
    assert.ok(late.pendingReadings > early.pendingReadings + 10_000, "it is throttled");
    assert.ok(late.forwardedReadings > early.forwardedReadings, "it goes on");
    assert.ok(late.rssBytes < early.rssBytes + 24 * 1024 * 1024, `${early.rssBytes} bytes became ${late.rssBytes}`);
    await quota("--delete-config", "producer_byte_rate");
    await line.forwarded(late.pendingReadings);
    assert.doesNotMatch(line.gatewayLog().slice(from), /"level":"(warn|error)"/);
    await comesThrough(line, load);
  });
});
