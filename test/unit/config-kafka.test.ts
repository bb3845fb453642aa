import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadGatewayConfig } from "../../gateway/config.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-config-kafka-"));
after(() => rmSync(folder, { recursive: true }));

/** @param kafka the lines under `queue.kafka`, in flow style */
function load(kafka: string, engine = "kafka", name = "name: site-3") {
  const path = join(folder, "gateway.yaml");
  writeFileSync(path, `${name}\nqueue:\n  engine: ${engine}\n  kafka: {${kafka}}\n`);
  return loadGatewayConfig(path, {});
}

function settings(kafka: string) {
  const loaded = load(kafka);
  assert.ok("config" in loaded, JSON.stringify(loaded));
  const { queue } = loaded.config;
  assert.ok(queue.engine === "kafka");
  return { queue, warnings: loaded.warnings };
}

const some = "brokers: [k1:9092, '[::1]:9093']";

test("brokers are enough: the rest has defaults", () => {
  const { queue, warnings } = settings(some);
  assert.deepEqual(warnings, []);
  assert.deepEqual(queue, {
    engine: "kafka",
    brokers: ["k1:9092", "[::1]:9093"],
    clientId: "holdfast-site-3",
    namespace: "holdfast",
    topic: "holdfast.readings",
    key: "{agent}/{series}",
    format: "json",
    timestamp: "reading",
    historicalAfterMs: 600_000,
    lossTopic: "holdfast.losses",
    deadLetterTopic: "holdfast.dead-letters",
    positionsTopic: "holdfast.positions",
    shards: 1,
    createTopics: true,
    partitions: 6,
    replication: 3,
    settleMs: 40_000,
    commitIntervalMs: 100,
    confirmCluster: null,
    security: { tls: null, login: null },
    properties: {},
    standby: null,
  });
});

test("the positions follow the namespace, and the key the format", () => {
  const { queue } = settings(`${some}, namespace: site-b, format: batch, losses: beside`);
  assert.deepEqual([queue.positionsTopic, queue.key, queue.lossTopic], ["site-b.positions", "{agent}/{stream}", null]);
});

test("secrets are names of files, from the folder of the configuration", () => {
  const sasl = "sasl: {mechanism: SCRAM-SHA-512, username: u, passwordFile: pw}";
  const { queue } = settings(`${some}, tls: {ca: ca.pem, cert: c.pem, key: k.pem}, ${sasl}`);
  assert.deepEqual(queue.security, {
    tls: {
      caFile: join(folder, "ca.pem"),
      client: { certFile: join(folder, "c.pem"), keyFile: join(folder, "k.pem") },
    },
    login: { mechanism: "SCRAM-SHA-512", username: "u", passwordFile: join(folder, "pw") },
  });
  const oauth = "oauth: {tokenEndpoint: 'https://login/token', clientId: c, clientSecretFile: s}";
  assert.deepEqual(settings(`${some}, tls: {enabled: true}, sasl: {mechanism: OAUTHBEARER, ${oauth}}`).queue.security, {
    tls: { caFile: null, client: null },
    login: {
      mechanism: "OAUTHBEARER",
      tokenEndpoint: "https://login/token",
      clientId: "c",
      clientSecretFile: join(folder, "s"),
      scope: null,
      caFile: null,
    },
  });
});

test("properties arrive by type, and the client's id apart from them", () => {
  const { queue } = settings(`${some}, properties: {linger.ms: 20, client.id: meter, compression.type: zstd}`);
  assert.deepEqual(queue.properties, { "linger.ms": 20, "compression.type": "zstd" });
  assert.equal(queue.clientId, "meter");
});

test("options are checked against each other, all at once", () => {
  const cases: [string, string, RegExp][] = [
    ["", "queue.kafka.brokers", /engine is kafka/],
    ["brokers: [k1]", "queue.kafka.brokers[0]", /not host:port/],
    [`${some}, topic: 'x.{agent}{series}'`, "queue.kafka.topic", /between two placeholders/],
    [`${some}, topic: 'x.{agnt}'`, "queue.kafka.topic", /no placeholder/],
    [`${some}, topic: 'holdfast.{agent}'`, "queue.kafka.topic", /another use/],
    [`${some}, topic: 'x.{series}', format: batch`, "queue.kafka.topic", /many series/],
    [`${some}, topic: 'x.{series}', losses: beside`, "queue.kafka.topic", /many series/],
    [`${some}, key: '{series}', format: batch`, "queue.kafka.key", /no value here/],
    [`${some}, lossTopic: holdfast_positions`, "queue.kafka.lossTopic", /another use/],
    [`${some}, deadLetterTopic: 'a/b'`, "queue.kafka.deadLetterTopic", /holds only/],
    [`${some}, positionsTopic: '{agent}'`, "queue.kafka.positionsTopic", /no value here/],
    [`${some}, shards: 65`, "queue.kafka.shards", /largest allowed is 64/],
    [`${some}, namespace: 'a/b'`, "queue.kafka.namespace", /a name has/],
    [`${some}, sasl: {mechanism: SCRAM-SHA-256, username: u}`, "queue.kafka.sasl.mechanism", /needs it/],
    [`${some}, sasl: {username: u}`, "queue.kafka.sasl", /no mechanism/],
    [`${some}, tls: {cert: c.pem}`, "queue.kafka.tls.cert", /needs queue\.kafka\.tls\.key/],
    [`${some}, sasl: {oauth: {tokenEndpoint: 'http://far/x'}}`, "queue.kafka.sasl.oauth.tokenEndpoint", /in the clear/],
    [`${some}, properties: {acks: 1}`, "queue.kafka.properties.acks", /replicas in sync/],
  ];
  for (const [kafka, path, why] of cases) {
    const loaded = load(kafka);
    assert.ok("faults" in loaded, kafka);
    assert.deepEqual(
      loaded.faults.map((fault) => fault.path),
      [path],
      kafka,
    );
    assert.match(loaded.faults[0]?.why ?? "", why, kafka);
    assert.notEqual(loaded.faults[0]?.remedy ?? "", "", kafka);
    assert.equal(loaded.faults[0]?.line, 4, kafka);
  }
});

test("what works but is not safe is a warning", () => {
  const cases: [string, RegExp][] = [
    [`${some}, settle: 10s`, /up to 35 s/],
    [`${some}, sasl: {mechanism: PLAIN, username: u, passwordFile: pw}`, /without TLS everyone/],
    [`${some}, tls: {enabled: false, ca: ca.pem}`, /enabled is false/],
  ];
  for (const [kafka, why] of cases) {
    const { warnings } = settings(kafka);
    assert.equal(warnings.length, 1, kafka);
    assert.match(warnings[0]?.why ?? "", why);
  }
  const loopback = "brokers: ['127.0.0.1:9092'], sasl: {mechanism: PLAIN, username: u, passwordFile: pw}";
  assert.deepEqual(settings(loopback).warnings, []);
});

test("brokers without the engine are said to have no effect, and nothing else of that section is looked at", () => {
  const loaded = load(`${some}, topic: '{agent}{series}'`, "file");
  assert.ok("config" in loaded);
  assert.deepEqual(
    loaded.warnings.map(({ path }) => path),
    ["queue.kafka.brokers"],
  );
});
