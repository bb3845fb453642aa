/** The pages on Kafka: their configurations are right, the tests that they name are there, and their programs run. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readBatch } from "../../reader/read-batch.ts";
import { readingsOutcome, recordsFor } from "../fakes/kafka-records.ts";
import { startUs } from "../fakes/outcomes.ts";
import { blocksIn, pageText, sectionOf } from "../fakes/pages.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));
const page = pageText("docs/integrate/kafka.md");
const batches = pageText("docs/integrate/kafka-batches.md");

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-page-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function run(folder: string, program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

test("each guarantee names a test that is there", () => {
  const rows = sectionOf(page, "What is guaranteed, and what shows it").split("\n").slice(4);
  const named = rows
    .filter((row) => row.startsWith("| "))
    .map((row) => {
      const [, path = "", title = ""] = /\| \[([^\]]+)\]\([^)]+\): (.+) \|$/.exec(row) ?? [];
      return { row, path, title };
    });
  assert.ok(named.length > 10);
  const isThere = (path: string, title: string): boolean =>
    [...pageText(path).matchAll(/\b(?:test|it)\("(.+?)",/g)].some(([, known]) => known === title);
  assert.deepEqual(
    named.filter(({ path, title }) => path === "" || title === "" || !isThere(path, title)).map(({ row }) => row),
    [],
  );
});

test("the configurations pass the check, and the command that builds the client is the one of the fault", (t) => {
  const folder = tempFolder(t);
  for (const name of ["kafka-ca.pem", "kafka-password", "kafka-oauth-secret"]) {
    writeFileSync(join(folder, name), "x", { mode: 0o600 });
  }
  const heredoc = /<<'END'\n(.*?)^END$/ms.exec(page)?.[1] ?? "";
  const configurations = [heredoc, ...blocksIn(page, "yaml")];
  assert.equal(configurations.length, 3);
  for (const text of configurations) {
    writeFileSync(join(folder, "gateway.yaml"), text);
    const said = run(folder, process.execPath, [join(project, "gateway/cli.ts"), "check", "--offline"]);
    assert.equal(said, "gateway.yaml: no faults, no warnings\n");
  }
  const remedy = pageText("gateway/queue/kafka/client/librdkafka.ts");
  const command = /^npm_config_nodedir=.*$/m.exec(page)?.[0] ?? "nothing";
  assert.ok(remedy.includes(command), command);
});

void test("the programs of the page on batches read what the gateway writes", async (t) => {
  const folder = tempFolder(t);
  const rows = [20.5, "open", true].map((value, at) => ({ name: "door", timeUs: startUs + at, value, stamped: true }));
  const [record] = recordsFor([readingsOutcome(rows, { first: 41 })], { format: "batch" });
  const value = record?.value as Uint8Array;
  writeFileSync(join(folder, "value"), value);
  const wanted = [...readBatch(value)];
  assert.equal(wanted.length, 3);
  const [script = ""] = blocksIn(batches, "js");
  // As it stands here; test/e2e/reader-package.test.ts tries it as others have it.
  const reader = new URL("../../reader/read-batch.ts", import.meta.url);
  writeFileSync(join(folder, "batches-to-lines.mjs"), script.replace('"holdfast/reader"', JSON.stringify(reader)));

  await t.test("JavaScript, with values in any pieces", () => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(value.length);
    const input = Buffer.concat([size, value, size, value]);
    const { stdout, status } = spawnSync(process.execPath, ["batches-to-lines.mjs"], { cwd: folder, input });
    assert.equal(status, 0);
    const lines = stdout.toString().trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [...wanted, ...wanted].map((reading) => ({ ...reading })),
    );
  });

  const missing = spawnSync("python3", ["-c", "import cbor2"]).status === 0 ? false : "Python's cbor2 is not here";
  await t.test("Python", { skip: missing }, () => {
    const python = (language: string, args: string[]): string => {
      writeFileSync(join(folder, "program.py"), blocksIn(batches, language)[0] ?? "");
      return run(folder, "python3", ["program.py", ...args]);
    };
    const { agent, stream, epoch } = wanted[0] as (typeof wanted)[number];
    const frame = python("python-frame", ["value"]);
    assert.match(
      frame,
      new RegExp(`^${agent} ${stream} ${epoch}: seqs 41 to 43 of a block of 3, codec \\d, \\d+ bytes`),
    );
    assert.equal(
      python("python-readings", ["value", "value"]),
      `${agent} 41 door 20.5\n${agent} 42 door open\n${agent} 43 door True\n`.repeat(2),
    );
  });
});
