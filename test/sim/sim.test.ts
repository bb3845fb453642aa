/**
 * A short run of the simulation with every test run: the audit of DESIGN §2 under all faults, and the proof that a seed
 * replays exactly. Long runs: `npm run sim`.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { patched, patchImports, projectRoot } from "../mutants/patch.ts";
import { rules } from "./rules.ts";
import { smallLimits } from "./small-limits.ts";

patchImports(smallLimits);
const { runSeed } = await import("./run.ts");

const seeds = 40;
const hours = 8;

test("I1 to I9: what was acknowledged is queued once or named lost, under every fault", async () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const { findings } = await runSeed(seed, hours);
    assert.deepEqual(findings, [], `npm run sim -- --hours ${hours} --seed ${seed} --trace`);
  }
});

test("a seed replays exactly", async () => {
  const [first, second, other] = [await runSeed(7, hours), await runSeed(7, hours), await runSeed(8, hours)];
  assert.equal(first.fingerprint, second.fingerprint);
  assert.deepEqual([...first.counts], [...second.counts]);
  assert.notEqual(first.fingerprint, other.fingerprint);
});

test("every rule that can be switched off still has its place in the sources", () => {
  for (const patches of Object.values(rules)) {
    for (const { file } of patches) patched(file, readFileSync(join(projectRoot, file), "utf8"), patches);
  }
});
