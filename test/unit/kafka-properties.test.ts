/** Which of librdkafka's properties a site may set: the promise must not depend on what somebody writes there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isOfProducersOnly, propertyKind } from "../../gateway/queue/kafka/client/properties.ts";
import { propertyTable } from "../../gateway/queue/kafka/client/property-table.ts";

const names = propertyTable
  .trim()
  .split("\n")
  .map((line) => line.split(" ")[0] ?? "");

function read(name: string, text: string): unknown {
  const kind = propertyKind(name);
  assert.ok("parse" in kind, `${name} can be set`);
  const parsed = kind.parse(text, "/");
  return "value" in parsed ? parsed.value : new Error(parsed.why);
}

function refusalOf(name: string): string {
  const kind = propertyKind(name);
  assert.ok("why" in kind, `${name} cannot be set`);
  return `${kind.why}; ${kind.remedy}`;
}

test("values have the type and the range that librdkafka's page says", () => {
  assert.equal(read("linger.ms", "2.5"), 2.5);
  assert.equal(read("compression.level", "-1"), -1);
  assert.equal(read("compression.type", "zstd"), "zstd");
  assert.equal(read("socket.keepalive.enable", "true"), true);
  assert.equal(read("client.rack", "site-3"), "site-3");
  const wrong: [string, string][] = [
    ["linger.ms", "900001"],
    ["linger.ms", "soon"],
    ["compression.level", "1.5"],
    ["compression.level", "13"],
    ["compression.type", "brotli"],
    ["socket.keepalive.enable", "yes"],
    ["client.rack", ""],
  ];
  for (const [name, text] of wrong) assert.ok(read(name, text) instanceof Error, `${name}: ${text}`);
});

test("what exactly once rests on cannot be set (I5)", () => {
  for (const name of [
    ...["acks", "request.required.acks", "enable.idempotence", "transactional.id", "isolation.level"],
    ...["enable.auto.commit", "enable.auto.offset.store", "group.id", "auto.offset.reset", "partitioner"],
    ...["queuing.strategy", "retries", "message.send.max.retries", "message.timeout.ms", "delivery.timeout.ms"],
    ...["delivery.report.only.error", "allow.auto.create.topics", "enable.ssl.certificate.verification"],
    ...["queue.buffering.max.messages", "plugin.library.paths", "dr_msg_cb", "api.version.request"],
  ]) {
    assert.ok(refusalOf(name).length > 20, name);
  }
  assert.ok(read("transaction.timeout.ms", "59999") instanceof Error);
  assert.equal(read("transaction.timeout.ms", "120000"), 120_000);
  assert.ok(read("max.in.flight", "6") instanceof Error);
});

test("no secret can stand here: what takes one leads to the options that name files", () => {
  const secret = /passw|secret|passphrase|\.pem$|^sasl\.|^ssl\.k|username|jwt|oauth/;
  const found = names.filter((name) => secret.test(name) && !name.endsWith("_cb"));
  assert.ok(found.length > 15);
  for (const name of found) assert.match(refusalOf(name), /queue\.kafka\.tls and queue\.kafka\.sasl|deprecated/, name);
});

test("a mistyped name gets the nearest one that can be set", () => {
  assert.match(refusalOf("compresion.type"), /perhaps compression\.type was meant/);
  assert.match(refusalOf("lingerms"), /perhaps linger\.ms was meant/);
  assert.doesNotMatch(refusalOf("sasl.pasword"), /perhaps/);
  for (const name of ["", "__proto__", "constructor", "x".repeat(10_000)]) refusalOf(name);
});

test("every property of the table is either refused or read", () => {
  assert.ok(names.length > 150);
  for (const name of names) propertyKind(name);
  assert.ok(isOfProducersOnly("linger.ms"));
  assert.ok(!isOfProducersOnly("socket.timeout.ms"));
});
