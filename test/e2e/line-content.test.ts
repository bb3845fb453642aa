/** The whole line over TLS: what is sent in each format stands in the queue as it was sent, and both sides tell how they are. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generate } from "selfsigned";
import { agentScript, command, gatewayScript } from "../../demo/line.ts";
import { freePorts } from "../../demo/ports.ts";
import { post } from "../../demo/post.ts";
import { readQueueLines } from "../../demo/read-queue.ts";
import { agentName, layRealLine, testFolder } from "../fakes/real-line.ts";

type Json = Record<string, unknown>;

const bodies: readonly (readonly [path: string, type: string, body: string])[] = [
  [
    "/v1/readings",
    "application/json",
    JSON.stringify([
      {
        name: "temp",
        unit: "Cel",
        labels: { site: "Süd", room: "1" },
        time: "2026-01-02T03:04:05.678901Z",
        value: -40.25,
      },
      { name: "tiny", timeUs: 1_767_323_045_000_001, value: 1e-7 },
      { name: "state", value: 'on "and" off\n' },
      { name: "open", value: true },
      { name: "most", timeUs: 1_767_323_045_000_002, value: 9_007_199_254_740_991 },
    ]),
  ],
  [
    "/v1/readings?stream=alarm",
    "application/x-ndjson",
    '{"name":"fire","timeUs":1767323045000003,"value":0}\n\n{"name":"fire","timeUs":1767323045000004,"value":1}\n',
  ],
  [
    "/v1/readings",
    "application/senml+json",
    JSON.stringify([
      { bn: "urn:dev:", bt: 1_767_323_045, bu: "V", n: "battery", v: 12.5 },
      { n: "battery", t: 0.25, v: 12.25 },
      { n: "blob", u: "1", vd: "AAEC_w" },
      { n: "label", u: "1", vs: "ok" },
      { n: "armed", u: "1", vb: false },
    ]),
  ],
  ["/v1/readings?precision=s", "text/plain", 'mill,hall=west\\ wing turns=17i,load=0.5,name="north",on=t 1767323045\n'],
];

/** Every line that must be there; times where the source gave one. */
const expected: readonly Json[] = [
  { name: "temp", unit: "Cel", labels: { room: "1", site: "Süd" }, timeUs: 1_767_323_045_678_901, value: -40.25 },
  { name: "tiny", timeUs: 1_767_323_045_000_001, value: 1e-7 },
  { name: "state", value: 'on "and" off\n' },
  { name: "open", value: true },
  { name: "most", timeUs: 1_767_323_045_000_002, value: 9_007_199_254_740_991 },
  { name: "fire", stream: "alarm", timeUs: 1_767_323_045_000_003, value: 0 },
  { name: "fire", stream: "alarm", timeUs: 1_767_323_045_000_004, value: 1 },
  { name: "urn:dev:battery", unit: "V", timeUs: 1_767_323_045_000_000, value: 12.5 },
  { name: "urn:dev:battery", unit: "V", timeUs: 1_767_323_045_250_000, value: 12.25 },
  { name: "urn:dev:blob", unit: "1", timeUs: 1_767_323_045_000_000, valueBase64: "AAEC/w==" },
  { name: "urn:dev:label", unit: "1", timeUs: 1_767_323_045_000_000, value: "ok" },
  { name: "urn:dev:armed", unit: "1", timeUs: 1_767_323_045_000_000, value: false },
  { name: "mill.turns", labels: { hall: "west wing" }, timeUs: 1_767_323_045_000_000, value: 17 },
  { name: "mill.load", labels: { hall: "west wing" }, timeUs: 1_767_323_045_000_000, value: 0.5 },
  { name: "mill.name", labels: { hall: "west wing" }, timeUs: 1_767_323_045_000_000, value: "north" },
  { name: "mill.on", labels: { hall: "west wing" }, timeUs: 1_767_323_045_000_000, value: true },
];

const refused: readonly (readonly [status: number, type: string, body: string])[] = [
  [400, "application/json", '[{"name": "good", "value": 1}, {"name": "bad", "value": }]'],
  [400, "text/plain", "good value=1\nbad value=\n"],
  [415, "text/html", "<p>1</p>"],
];

/** A line of the queue with what the test can know of it beforehand. */
function known(line: Json): Json {
  const { kind, agent, epoch, seq, time, clock, sensorTime, timeUs, stream, ...rest } = line;
  assert.equal(kind, "reading");
  assert.equal(agent, agentName);
  assert.match(String(epoch), /^[0-9a-f]{16}$/);
  assert.equal(new Date(Number(timeUs) / 1_000).toISOString().slice(0, 19), String(time).slice(0, 19));
  assert.ok(clock === "synced" || clock === "unsynced" || clock === "corrected");
  if (sensorTime !== true) assert.ok(Math.abs(Number(timeUs) / 1_000 - Date.now()) < 60_000, "stamped when it came");
  return {
    ...rest,
    ...(stream === "telemetry" ? {} : { stream }),
    ...(sensorTime === true ? { timeUs } : {}),
  };
}

const sorted = (lines: readonly Json[]): string[] =>
  lines.map((line) => JSON.stringify(Object.entries(line).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();

async function pageOf(port: number, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

test("all formats arrive once over TLS, as they were sent, and both sides tell how they are", async (t) => {
  const folder = testFolder(t, "e2e");
  const pem = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] }],
  });
  writeFileSync(join(folder, "gateway.crt"), pem.cert);
  writeFileSync(join(folder, "gateway.key"), pem.private, { mode: 0o600 });
  const [tlsPort = 0] = await freePorts(1);
  const real = await layRealLine(t, {
    folder,
    gateway: ({ mqtt }) => ({
      mqtt: {
        listen: `127.0.0.1:${mqtt}`,
        tls: { listen: `127.0.0.1:${tlsPort}`, cert: join(folder, "gateway.crt"), key: join(folder, "gateway.key") },
      },
    }),
    agent: (_, passwordFile) => ({
      streams: [{ name: "telemetry" }, { name: "alarm", policy: "reject" }],
      gateway: { urls: [`mqtts://localhost:${tlsPort}`], passwordFile, tls: { ca: join(folder, "gateway.crt") } },
    }),
  });
  const { line } = real;
  await Promise.all([line.gateway.start(), line.agent.start()]);

  for (const [status, type, body] of refused) {
    assert.equal((await post(line.ports.http, "/v1/readings", type, body)).status, status, body);
  }
  for (const [path, type, body] of bodies) {
    const answer = await post(line.ports.http, path, type, body);
    assert.equal(answer.status, 204, answer.text);
  }
  await real.drain();

  const lines: Json[] = [];
  await readQueueLines(line.queueFolder, (text) => lines.push(JSON.parse(text) as Json));
  assert.deepEqual(sorted(lines.map(known)), sorted(expected));
  const seqs = lines.filter(({ stream }) => stream === "telemetry").map(({ seq }) => Number(seq));
  assert.deepEqual(
    seqs.sort((a, b) => a - b),
    seqs.map((_, i) => i + 1),
  );

  assert.deepEqual(JSON.parse((await pageOf(line.ports.agentAdmin, "/healthz")).text), { status: "ok", reasons: [] });
  assert.equal((await pageOf(line.ports.gatewayAdmin, "/healthz")).status, 200);
  const metrics = (await pageOf(line.ports.agentAdmin, "/metrics")).text;
  assert.match(metrics, new RegExp(`^holdfast_agent_accepted_readings_total ${expected.length}$`, "m"));
  assert.match(
    (await pageOf(line.ports.gatewayAdmin, "/metrics")).text,
    new RegExp(`^holdfast_gateway_forwarded_readings_total ${expected.length}$`, "m"),
  );
  const spoken = await command(agentScript, ["status", "--config", line.agent.configFile]);
  assert.match(spoken.stdout, /^link +up, gateway$/m);
  assert.match(spoken.stdout, /^waiting +0 readings/m);
  const json = await command(gatewayScript, ["status", "--json", "--config", line.gateway.configFile]);
  const status = JSON.parse(json.stdout) as Json;
  assert.deepEqual([status.pendingReadings, status.deadLetters, status.connections], [0, 0, 1]);
});
