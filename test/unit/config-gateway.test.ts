import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadGatewayConfig } from "../../gateway/config.ts";
import type { Environment } from "../../shared/options/load.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-config-"));
after(() => rmSync(folder, { recursive: true }));

function load(yaml: string, environment: Environment = {}) {
  const path = join(folder, "gateway.yaml");
  writeFileSync(path, yaml);
  return loadGatewayConfig(path, environment);
}

test("the defaults listen on loopback and keep all state in one folder", () => {
  const loaded = load("");
  assert.ok("config" in loaded);
  const { mqtt, queue, stateFolder, groupId, advertise, admin } = loaded.config;
  assert.deepEqual(mqtt, { listen: { host: "127.0.0.1", port: 1883 }, tls: null });
  assert.equal(stateFolder, join(folder, "holdfast-gateway"));
  assert.ok(queue.engine === "file");
  assert.equal(queue.folder, join(stateFolder, "queue"));
  assert.equal(queue.retainAgeMs, Number.POSITIVE_INFINITY);
  assert.deepEqual([groupId, advertise, admin.host], [null, [], "127.0.0.1"]);
});

test("values arrive in bytes and milliseconds", () => {
  const loaded = load(`
mqtt: { tls: { listen: "0.0.0.0:9883", cert: c.pem, key: /k.pem, ca: ca.pem } }
advertise: [mqtts://one, mqtts://two]
group: { id: 0123456789abcdef0123456789abcdef }
journal: { quota: 1GiB }
queue: { folder: q, segmentBytes: 1MB, segmentAge: 5s, retainBytes: 10MB, retainAge: 7d }
`);
  assert.ok("config" in loaded, JSON.stringify(loaded));
  const { mqtt, queue, journal, groupId } = loaded.config;
  const tls = { host: "0.0.0.0", port: 9883, certFile: join(folder, "c.pem"), keyFile: "/k.pem" };
  assert.deepEqual(mqtt.tls, { ...tls, caFile: join(folder, "ca.pem") });
  assert.equal(journal.quotaBytes, 2 ** 30);
  assert.deepEqual(queue, {
    engine: "file",
    folder: join(folder, "q"),
    segmentBytesMax: 1e6,
    segmentAgeMaxMs: 5_000,
    retainBytes: 1e7,
    retainAgeMs: 604_800_000,
  });
  assert.equal(groupId, "0123456789abcdef0123456789abcdef");
});

test("options are checked against each other", () => {
  const cases: [string, string, RegExp][] = [
    ["mqtt: {listen: 0.0.0.0:1883}", "mqtt.listen", /in the clear/],
    ["mqtt: {tls: {cert: c.pem}}", "mqtt.tls.cert", /needs mqtt.tls.key/],
    ["admin: {listen: 127.0.0.1:1883}", "admin.listen", /mqtt.listen uses it too/],
    ["admin: {listen: 10.0.0.1:80}", "admin.listen", /loopback only/],
    ["queue: {segmentBytes: 2MB, retainBytes: 1MB}", "queue.segmentBytes", /larger than queue.retainBytes/],
    ["group: {id: mine}", "group.id", /32 digits/],
    ["journal: {engine: jetstream}", "journal.engine", /not one of the words/],
    ["advertise: [mqtt://10.0.0.1]", "advertise[0]", /in the clear/],
  ];
  for (const [yaml, path, why] of cases) {
    const loaded = load(yaml);
    assert.ok("faults" in loaded, yaml);
    assert.deepEqual(
      loaded.faults.map((fault) => fault.path),
      [path],
      yaml,
    );
    assert.match(loaded.faults[0]?.why ?? "", why, yaml);
  }
});

test("port 0 may be given more than once, since each becomes a port of its own", () => {
  assert.ok("config" in load("mqtt: {listen: 127.0.0.1:0}\nadmin: {listen: 127.0.0.1:0}"));
});

test("the environment of the agent does not touch the gateway", () => {
  const loaded = load("", { HOLDFAST_AGENT_LOG_LEVEL: "nonsense", HOLDFAST_GATEWAY_LOG_LEVEL: "debug" });
  assert.ok("config" in loaded);
  assert.equal(loaded.config.log.level, "debug");
  assert.deepEqual(loaded.warnings, []);
});
