import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type AgentConfig, loadAgentConfig } from "../../agent/config.ts";
import type { OptionFault } from "../../shared/options/fault.ts";
import type { Environment } from "../../shared/options/load.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-config-"));
after(() => rmSync(folder, { recursive: true }));

function load(yaml: string, environment: Environment = {}) {
  const path = join(folder, "agent.yaml");
  writeFileSync(path, yaml);
  return loadAgentConfig(path, environment);
}

function config(yaml: string, environment: Environment = {}): AgentConfig {
  const loaded = load(yaml, environment);
  assert.ok("config" in loaded, JSON.stringify(loaded));
  return loaded.config;
}

function faults(yaml: string, environment: Environment = {}): readonly OptionFault[] {
  const loaded = load(yaml, environment);
  assert.ok("faults" in loaded, "the configuration should be refused");
  return loaded.faults;
}

/** The only fault of a configuration. */
function fault(yaml: string, environment: Environment = {}): OptionFault {
  const found = faults(yaml, environment);
  assert.equal(found.length, 1, JSON.stringify(found, null, 1));
  return found[0] as OptionFault;
}

test("an empty file, an empty section and no file at all give the defaults", () => {
  const plain = loadAgentConfig(undefined, {});
  assert.ok("config" in plain);
  for (const yaml of ["", "# nothing\n", "store:\ninputs:\n  http:\n", "streams:\n"]) {
    const given: AgentConfig = config(yaml);
    // Only where the relative paths start differs: here from the folder of the file.
    assert.equal(given.stateFolder, join(folder, "holdfast-agent"));
    assert.equal(given.gateway.passwordFile, join(folder, "holdfast-agent", "password"));
    const gateway: AgentConfig["gateway"] = { ...given.gateway, passwordFile: plain.config.gateway.passwordFile };
    assert.deepEqual({ ...given, stateFolder: plain.config.stateFolder, gateway }, plain.config, yaml);
  }
  assert.deepEqual(
    plain.config.streams.map(({ name, policy }) => [name, policy]),
    [
      ["alarm", "reject"],
      ["telemetry", "drop-oldest"],
      ["log", "drop-oldest"],
    ],
  );
  assert.equal(plain.config.store.quotaBytes, 1e9);
  assert.equal(plain.config.store.commitIntervalMs, 20);
});

test("values arrive in bytes and milliseconds", () => {
  const { store, gateway, inputs, streams } = config(`
store: { quota: 2GiB, commitInterval: 1s }
streams: [{ name: telemetry, quota: 200MB, priority: 2 }]
gateway: { urls: [mqtts://a:1, mqtts://b], answerTimeout: 30s, tls: { ca: ca.pem } }
inputs:
  http: { enabled: false }
  host: { every: 1m }
  tail: [{ name: app, files: ["*.log", /var/x.log], stream: telemetry, parse: regex, pattern: "(?<t>\\\\d+)" }]
`);
  assert.equal(store.quotaBytes, 2 ** 31);
  assert.equal(store.commitIntervalMs, 1_000);
  assert.deepEqual(streams, [{ name: "telemetry", priority: 2, policy: "drop-oldest", quotaBytes: 2e8 }]);
  assert.deepEqual(gateway.urls, ["mqtts://a:1", "mqtts://b"]);
  assert.equal(gateway.answerTimeoutMs, 30_000);
  assert.equal(gateway.tls.caFile, join(folder, "ca.pem"));
  assert.equal(inputs.http, null);
  assert.equal(inputs.host?.everyMs, 60_000);
  assert.deepEqual(inputs.tails, [
    {
      name: "app",
      files: [join(folder, "*.log"), "/var/x.log"],
      stream: "telemetry",
      parse: { kind: "regex", pattern: "(?<t>\\d+)" },
    },
  ]);
});

test("every fault is told at once, each with its line and column", () => {
  const found = faults(`name: Pump 17
strems: []
streams:
  - name: alarm
    priority: 11
  - name: alarm
    policy: drop
store:
  quota: 5
  commitInterval: 5sec
  quota: 3GB
gateway:
  urls: [mqtt://10.1.2.3, "http://x"]
  tls: { cert: nope.pem }
inputs:
  http:
    enabled: "true"
    listen:
  host: 10s
`);
  assert.deepEqual(
    found.map(({ line, column, path }) => [line, column, path]),
    [
      [1, 7, "name"],
      [2, 1, "strems"],
      [5, 15, "streams[0].priority"],
      [6, 11, "streams[1].name"],
      [7, 13, "streams[1].policy"],
      [9, 10, "store.quota"],
      [10, 19, "store.commitInterval"],
      [11, 3, ""],
      [13, 10, "gateway.urls[0]"],
      [13, 27, "gateway.urls[1]"],
      [14, 16, "gateway.tls.cert"],
      // Without a stream called telemetry these two have nowhere to write.
      [17, 5, "inputs.http.stream"],
      [17, 14, "inputs.http.enabled"],
      [18, 12, "inputs.http.listen"],
      [19, 9, "inputs.host"],
      [19, 9, "inputs.host.stream"],
    ],
  );
  for (const each of found) assert.ok(each.what !== "" && each.why !== "" && each.remedy !== "", JSON.stringify(each));
});

test("an unknown key is answered with the nearest known one", () => {
  assert.match(fault("stor:\n  quota: 1GB\n").remedy, /perhaps store was meant/);
  assert.match(fault("inputs:\n  http:\n    listne: 127.0.0.1:1\n").remedy, /perhaps listen was meant/);
  assert.match(fault("zzzzzzzz: 1\n").remedy, /the options here are name, stateFolder/);
  assert.equal(fault("constructor: 1\n").path, "constructor");
});

test("a wrong unit names the right ones", () => {
  const found = fault("store:\n  quota: 512mb\n");
  assert.equal(found.line, 2);
  assert.match(found.remedy, /MB.*perhaps 512MB/);
});

test("duplicate streams, inputs and keys are refused", () => {
  assert.match(fault("streams: [{name: telemetry}, {name: telemetry}]").what, /"telemetry" is given twice/);
  const tails = "inputs: {tail: [{name: a, files: [x]}, {name: a, files: [y]}]}";
  assert.equal(fault(tails).path, "inputs.tail[1].name");
  const keys = fault("store:\n  quota: 1GB\n  quota: 2GB\n");
  assert.deepEqual([keys.line, keys.what], [3, "an option is given twice"]);
});

test("a required option that is missing is asked for", () => {
  const found = fault("inputs:\n  tail:\n    - files: [/var/log/x]\n");
  assert.equal(found.path, "inputs.tail[0].name");
  assert.match(found.remedy, /name: syslog/);
});

test("options are checked against each other", () => {
  const cases: [string, string, RegExp][] = [
    [
      "streams: [{name: telemetry}]\ninputs: {tail: [{name: a, files: [x]}]}",
      "inputs.tail[0].stream",
      /no stream has that name/,
    ],
    ["inputs: {http: {stream: telemtry}}", "inputs.http.stream", /no stream/],
    [
      "streams: []\ninputs: {http: {enabled: false}, host: {enabled: false}}",
      "streams",
      /every reading belongs to one/,
    ],
    ["store: {quota: 32MB, ballast: 20MB}", "store.ballast", /more than half/],
    ["gateway: {urls: []}", "gateway.urls", /could never leave/],
    ["gateway: {password: a, passwordFile: b}", "gateway.password", /passwordFile is set too/],
    ["gateway: {tls: {key: k.pem}}", "gateway.tls.key", /needs gateway.tls.cert/],
    ["inputs: {tail: [{name: a, files: []}]}", "inputs.tail[0].files", /nothing to follow/],
    ["inputs: {tail: [{name: a, files: [x], parse: regex}]}", "inputs.tail[0].parse", /parse: regex needs it/],
    ["inputs: {tail: [{name: a, files: [x], parse: regex, pattern: a+}]}", "inputs.tail[0].pattern", /no named group/],
    ["admin: {listen: 0.0.0.0:7381}", "admin.listen", /loopback only/],
    ["admin: {listen: 127.0.0.1:7380}", "admin.listen", /inputs.http.listen uses it too/],
  ];
  for (const [yaml, path, why] of cases) {
    const found = fault(yaml);
    assert.equal(found.path, path, yaml);
    assert.match(found.why, why, yaml);
    assert.equal(typeof found.line, "number", yaml);
  }
});

test("what works but is hardly meant is a warning", () => {
  const cases: [string, string][] = [
    ["inputs: {http: {listen: 0.0.0.0:7380}}", "inputs.http.listen"],
    ["streams: [{name: telemetry, quota: 5GB}]", "streams[0].quota"],
    ["inputs: {tail: [{name: a, files: [x], pattern: a}]}", "inputs.tail[0].pattern"],
  ];
  for (const [yaml, path] of cases) {
    const loaded = load(yaml);
    assert.ok("config" in loaded, yaml);
    assert.deepEqual(
      loaded.warnings.map((warning) => [warning.severity, warning.path]),
      [["warning", path]],
    );
  }
});

test("environment variables override single options and lists of values", () => {
  const environment = {
    HOLDFAST_AGENT_STORE_QUOTA: "64MB",
    HOLDFAST_AGENT_STORE_COMMIT_INTERVAL: "1s",
    HOLDFAST_AGENT_GATEWAY_URLS: "mqtts://a, mqtts://b:1",
    HOLDFAST_AGENT_STATE_FOLDER: "elsewhere",
    HOLDFAST_AGENT_INPUTS_HTTP_ENABLED: "false",
    UNRELATED: "1",
  };
  const { store, gateway, stateFolder, inputs } = config("store: {quota: 2GB, ballast: 9MB}\n", environment);
  assert.deepEqual([store.quotaBytes, store.ballastBytes, store.commitIntervalMs], [64e6, 9e6, 1_000]);
  assert.deepEqual(gateway.urls, ["mqtts://a", "mqtts://b:1"]);
  assert.equal(stateFolder, join(process.cwd(), "elsewhere"));
  assert.equal(inputs.http, null);
});

test("a fault in an environment variable names the variable", () => {
  const found = fault("", { HOLDFAST_AGENT_STORE_QUOTA: "5" });
  assert.equal(found.source, "environment variable HOLDFAST_AGENT_STORE_QUOTA");
  assert.deepEqual([found.line, found.path], [null, "store.quota"]);
});

test("a mistyped environment variable is a warning with the nearest name", () => {
  const loaded = load("", { HOLDFAST_AGENT_STORE_QOTA: "64MB" });
  assert.ok("config" in loaded);
  assert.match(loaded.warnings[0]?.remedy ?? "", /HOLDFAST_AGENT_STORE_QUOTA/);
});

test("what is no YAML, or dangerous YAML, is refused with its place (I8)", () => {
  const laughs = `a: &a [x, x]\nb: &b [*a, *a]\nname: *b\n`;
  assert.ok(faults(laughs).some(({ what, line }) => what.includes("alias *b") && line === 3));
  assert.equal(fault("store:\n\tquota: 1GB\n").what, "the file is not valid YAML");
  assert.equal(fault("name: [a\n").line, 2);
  assert.match(fault("--- 1\n--- 2\n").what, /not valid YAML/);
  assert.match(fault("just text").why, /options are expected/);
  assert.match(fault("- a\n").what, /the file cannot be used/);
  assert.ok(faults(`name: ${"[".repeat(20_000)}`).length >= 1);
  assert.ok(faults(`name: ${"[".repeat(30)}${"]".repeat(30)}`).some(({ what }) => /nested too deeply/.test(what)));
  assert.match(fault(`# ${"x".repeat(300_000)}`).why, /larger than 256 KiB/);
  assert.match(fault("store: {quota: [1GB]}").why, /one value is expected/);
  assert.match(fault("gateway: {urls: mqtts://a}").why, /a list is expected/);
  assert.match(fault("streams: [telemetry]").why, /options are expected/);
});

test("a file that is missing or no text is refused", () => {
  const missing = loadAgentConfig(join(folder, "none.yaml"), {});
  assert.ok("faults" in missing);
  assert.match(missing.faults[0]?.remedy ?? "", /init/);
  const path = join(folder, "binary.yaml");
  writeFileSync(path, Buffer.from([0x6e, 0xff, 0xfe]));
  assert.ok("faults" in loadAgentConfig(path, {}));
  const directory = loadAgentConfig(folder, {});
  assert.ok("faults" in directory);
  assert.match(directory.faults[0]?.why ?? "", /folder/);
});
