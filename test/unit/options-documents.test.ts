import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Check } from "typebox/schema";
import { parse } from "yaml";
import { loadAgentConfig } from "../../agent/config.ts";
import { agentProgram } from "../../agent/options.ts";
import { loadGatewayConfig } from "../../gateway/config.ts";
import { gatewayProgram } from "../../gateway/options.ts";
import { generatedFiles } from "../../packaging/reference.ts";
import { helpOf, referenceOf } from "../../shared/options/reference.ts";
import { sampleOf } from "../../shared/options/sample.ts";
import { schemaOf } from "../../shared/options/schema.ts";
import { variableOf, variables } from "../../shared/options/table.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-documents-"));
after(() => rmSync(folder, { recursive: true }));

const programs = [
  { program: agentProgram, load: loadAgentConfig },
  { program: gatewayProgram, load: loadGatewayConfig },
];

/** The sample with every option set: explanations have an odd number of spaces behind "#", options an even one. */
function withEveryOption(sample: string): string {
  return sample.replace(/^( *)#((?: {2})*)(?=\S)/gm, "$1$2");
}

for (const { program, load } of programs) {
  const sample = sampleOf(program);

  test(`${program.command}: the sample passes the check and sets nothing`, () => {
    const path = join(folder, program.file);
    writeFileSync(path, sample);
    const fromSample = load(path, {});
    assert.ok("config" in fromSample, JSON.stringify(fromSample));
    assert.deepEqual(fromSample.warnings, []);
    writeFileSync(path, "");
    const fromNothing = load(path, {});
    assert.ok("config" in fromNothing);
    assert.deepEqual(fromSample.config, fromNothing.config);
  });

  test(`${program.command}: the sample is right, too, with every option set`, () => {
    const path = join(folder, program.file);
    // A password and a file with it exclude each other, and the options of Kafka belong to that engine.
    const full = withEveryOption(sample)
      .replace(/^ *password:.*\n/m, "")
      .replace("engine: file", "engine: kafka");
    writeFileSync(path, full);
    const loaded = load(path, {});
    assert.ok("config" in loaded, JSON.stringify(loaded));
    assert.deepEqual(loaded.warnings, []);
    assert.ok(Check(schemaOf(program), parse(full)), "the JSON Schema takes the full sample");
    const options = [...variables(program.table.fields)];
    assert.ok(options.length > 10);
    for (const { path: option } of options) {
      const name = option.split(".").at(-1);
      assert.match(sample, new RegExp(`^ *#${name}:`, "m"), `${option} stands in the sample`);
    }
  });

  test(`${program.command}: the JSON Schema takes the sample and refuses what the check refuses`, () => {
    const schema = schemaOf(program);
    assert.ok(Check(schema, parse(sample)));
    for (const bad of [{ strems: [] }, { log: { level: "loud" } }, { admin: { listen: 80 } }, { stateFolder: 1 }]) {
      assert.ok(!Check(schema, bad), JSON.stringify(bad));
      const path = join(folder, "bad.yaml");
      writeFileSync(path, JSON.stringify(bad));
      // A number as a folder's name is fine by the check, because YAML would not tell 2024 from a name.
      if (!("stateFolder" in bad)) assert.ok("faults" in load(path, {}), JSON.stringify(bad));
    }
  });

  test(`${program.command}: reference and help name every option and its variable`, () => {
    const page = referenceOf(program);
    const help = helpOf(program);
    for (const { path } of variables(program.table.fields)) {
      assert.ok(page.includes(`| \`${path}\` |`), path);
      assert.ok(page.includes(variableOf(program.prefix, path)), path);
      assert.match(help, new RegExp(`^ {2}${path.replaceAll(".", "\\.")} `, "m"));
    }
  });
}

test("the generated files are up to date (run: node packaging/reference.ts)", () => {
  for (const [path, text] of generatedFiles()) {
    assert.equal(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"), text, path);
  }
});

test("the names of environment variables follow from the paths and never collide", () => {
  assert.equal(variableOf("HOLDFAST_AGENT", "store.commitInterval"), "HOLDFAST_AGENT_STORE_COMMIT_INTERVAL");
  for (const { program } of programs) {
    const names = [...variables(program.table.fields)].map(({ path }) => variableOf(program.prefix, path));
    assert.equal(new Set(names).size, names.length);
  }
});
