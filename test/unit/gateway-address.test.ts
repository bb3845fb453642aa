import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isLoopback, parseGatewayUrl } from "../../shared/address.ts";
import { clientIdOf, isClientIdOf } from "../../shared/client-id.ts";

describe("parseGatewayUrl", () => {
  const good: [string, { host: string; port: number; tls: boolean }][] = [
    ["mqtts://gw.example", { host: "gw.example", port: 8883, tls: true }],
    ["mqtts://GW.example:99/", { host: "gw.example", port: 99, tls: true }],
    ["mqtts://[2001:db8::1]:99", { host: "2001:db8::1", port: 99, tls: true }],
    ["mqtt://127.0.0.1", { host: "127.0.0.1", port: 1883, tls: false }],
    ["mqtt://localhost:1", { host: "localhost", port: 1, tls: false }],
    ["mqtt://[::1]", { host: "::1", port: 1883, tls: false }],
  ];
  for (const [url, address] of good) it(`reads ${url}`, () => assert.deepEqual(parseGatewayUrl(url), address));

  const bad = [
    "gw.example",
    "gw.example:8883",
    "http://gw",
    "mqtt://gw.example",
    "mqtt://127.0.0.1.example",
    "mqtt://0.0.0.0",
    "mqtts://",
    "mqtts://a:b@gw",
    "mqtts://gw/x",
    "mqtts://gw?x",
    "mqtts://gw#x",
    "mqtts://gw:0",
    "mqtts://gw:65536",
    `mqtts://${"x".repeat(600)}`,
  ];
  for (const url of bad) {
    it(`refuses ${url.slice(0, 40)}`, () => assert.throws(() => parseGatewayUrl(url), { code: "config" }));
  }
});

describe("isLoopback", () => {
  it("is true of this machine only", () => {
    assert.deepEqual(["127.0.0.1", "127.9.9.9", "::1", "localhost"].filter(isLoopback).length, 4);
    assert.deepEqual(
      ["0.0.0.0", "::", "", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil"].filter(isLoopback),
      [],
    );
  });
});

describe("the client id", () => {
  it("belongs to one agent, also where one name begins like another", () => {
    const random = new Uint8Array(8).fill(0xab);
    assert.equal(clientIdOf("pump", random), "pump.abababababababab");
    assert.equal(isClientIdOf("pump", clientIdOf("pump", random)), true);
    for (const other of ["pum", "pump-1", "", "pump."])
      assert.equal(isClientIdOf(other, clientIdOf("pump", random)), false);
    for (const id of ["pump", "pump.", "pump.ab", "pump.abababababababab0", "pump.ABABABABABABABAB"]) {
      assert.equal(isClientIdOf("pump", id), false);
    }
  });
});
