import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadAgentConfig } from "../../agent/config.ts";
import { agentProgram } from "../../agent/options.ts";
import { readLinkSecrets } from "../../agent/secrets.ts";
import { Fault } from "../../shared/errors.ts";
import { checkConfig, findConfig, takeConfig, writeSample } from "../../shared/options/commands.ts";
import { checkFiles } from "../../shared/options/files.ts";
import { openVoice } from "../../shared/voice.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-commands-"));
after(() => rmSync(folder, { recursive: true }));

function voice() {
  const out: string[] = [];
  const err: string[] = [];
  const opened = openVoice({ write: (text) => out.push(text) }, { write: (text) => err.push(text) }, {});
  return { voice: opened, out: () => out.join(""), err: () => err.join("") };
}

function config(name: string, yaml: string): string {
  const path = join(folder, name);
  writeFileSync(path, yaml);
  return path;
}

test("init writes the sample, and never over a file that exists", () => {
  const path = join(folder, "fresh.yaml");
  writeSample(agentProgram, path, voice().voice);
  const written = readFileSync(path, "utf8");
  assert.match(written, /holdfast-agent check/);
  assert.throws(
    () => writeSample(agentProgram, path, voice().voice),
    (error: unknown) => {
      return error instanceof Fault && error.code === "usage" && error.remedy?.includes("init -") === true;
    },
  );
  assert.equal(readFileSync(path, "utf8"), written);
  const printed = voice();
  writeSample(agentProgram, "-", printed.voice);
  assert.equal(printed.out(), written);
});

test("check tells every fault with file, line and remedy, and exits 78", () => {
  const path = config("bad.yaml", "store:\n  quota: 5\nadmim:\n");
  const said = voice();
  assert.equal(checkConfig(loadAgentConfig(path, {}), path, said.voice), 78);
  assert.ok(
    said.err().includes(`${path}:2:10: error: store.quota "5" cannot be used\n  why: it has no unit\n  what now: `),
  );
  assert.ok(said.err().includes(`${path}:3:1: error: "admim" is not an option`));
  assert.equal(said.out(), `${path}: 2 faults, no warnings\n`);
});

test("check finds files that are missing and secrets that others may read", () => {
  const secret = config("secret", "hush\n");
  chmodSync(secret, 0o644);
  const yaml = `gateway:\n  passwordFile: secret\n  tls:\n    ca: none.pem\n    cert: ${folder}\n    key: secret\n`;
  const loaded = loadAgentConfig(config("files.yaml", yaml), {});
  assert.ok("config" in loaded, "a missing certificate does not keep the agent from running (I10)");
  const found = checkFiles(loaded.files);
  assert.deepEqual(
    found.map(({ severity, path, line }) => [severity, path, line]),
    [
      ["warning", "gateway.passwordFile", 2],
      ["fault", "gateway.tls.ca", 4],
      ["fault", "gateway.tls.cert", 5],
      ["warning", "gateway.tls.key", 6],
    ],
  );
  assert.match(found[0]?.remedy ?? "", /chmod 600/);
  chmodSync(secret, 0o600);
  assert.equal(checkFiles(loaded.files).length, 2);
});

test("check passes the sample, and reminds of the password that is still missing", () => {
  const path = join(folder, "sample.yaml");
  writeSample(agentProgram, path, voice().voice);
  const said = voice();
  assert.equal(checkConfig(loadAgentConfig(path, {}), path, said.voice), 0);
  assert.match(said.err(), /warning: gateway.passwordFile/);
  assert.equal(said.out(), `${path}: no faults, 1 warning\n`);
});

test("run says the faults and gets no configuration", () => {
  const said = voice();
  assert.equal(takeConfig(loadAgentConfig(config("worse.yaml", "name: A B\n"), {}), said.voice), undefined);
  assert.match(said.err(), /worse.yaml:1:7: error/);
});

test("a config file that is named is used even where it does not exist, so that a typing error shows", () => {
  assert.equal(findConfig(agentProgram, "/none.yaml"), "/none.yaml");
});

test("secrets are read anew each time, trimmed, and a missing file is a retryable fault (I10)", () => {
  const path = config("link.yaml", "gateway:\n  passwordFile: pw\n  tls: { ca: ca.pem }\n");
  const loaded = loadAgentConfig(path, {});
  assert.ok("config" in loaded);
  assert.throws(
    () => readLinkSecrets(loaded.config.gateway),
    (error: unknown) => error instanceof Fault && error.retryable && /pw does not exist/.test(error.why ?? ""),
  );
  config("pw", "one\n");
  config("ca.pem", "PEM");
  assert.deepEqual(readLinkSecrets(loaded.config.gateway), { secret: "one", tls: { ca: "PEM" } });
  config("pw", "two");
  assert.equal(readLinkSecrets(loaded.config.gateway).secret, "two");
});
