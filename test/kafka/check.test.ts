/** `holdfast-gateway check` with a cluster: what stands in the way is said, and nothing is changed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { clusterMissing } from "./cluster-under-test.ts";

const cli = fileURLToPath(new URL("../../gateway/cli.ts", import.meta.url));

describe("check of a Kafka queue", { skip: clusterMissing() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-check-"));
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(async () => {
    await brokers.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function check(kafka: string, ...args: string[]): { status: number | null; out: string; err: string } {
    const file = join(folder, "gateway.yaml");
    writeFileSync(file, `queue:\n  engine: kafka\n  kafka: {brokers: ['${brokers.bootstrap}'], ${kafka}}\n`);
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, "check", "--config", file, ...args], {
      encoding: "utf8",
    });
    return { status, out: stdout, err: stderr };
  }

  test("what a start would make is said, and made by no check", () => {
    for (let round = 0; round < 2; round++) {
      const { status, out, err } = check("replication: 1");
      assert.equal(status, 0, err);
      assert.match(out, /the topic holdfast\.readings is not there: a start makes it, with 6 partitions/);
      assert.match(out, /the cluster H[\w-]{21}, 1 broker: 0 faults, 0 warnings/);
    }
  });

  test("what breaks the promise is a fault with its remedy, and the exit code is 78", async () => {
    const { status, err } = check("namespace: n1");
    assert.equal(status, 78);
    assert.match(err, /the topic holdfast\.readings cannot be created/);
    assert.match(err, /what now: add brokers; or set queue\.kafka\.replication to 1/);
    await brokers.createTopic("n2.positions");
    const deleting = check("namespace: n2, replication: 1");
    assert.equal(deleting.status, 78);
    assert.match(deleting.err, /error: the topic n2\.positions has cleanup\.policy=delete/);
  });

  test("properties that this librdkafka does not take are found before a start", () => {
    const { status, err } = check("replication: 1, properties: {ssl.cipher.suites: none, debug: nonsense}");
    assert.equal(status, 78);
    assert.match(err, /librdkafka does not take its properties\n {2}why: .*nonsense/);
  });

  test("offline the file alone counts, and a cluster that is away is said to be", () => {
    const away = "replication: 1, tls: {enabled: true}";
    assert.equal(check(away, "--offline").status, 0);
    const { status, err } = check(away);
    assert.equal(status, 69);
    assert.match(err, /the Kafka cluster (does not answer|refuses this gateway)/);
  });
});
