/** Looks at the mutants without running them, so that a change that leaves one behind shows at once. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { type Invariant, mutants } from "../mutants/mutants.ts";
import { patched, projectRoot } from "../mutants/patch.ts";
import { mirrorRules } from "../sim/kafka/mirror-rules.ts";
import { kafkaRules } from "../sim/kafka/rules.ts";
import { standbyRules } from "../sim/kafka/standby-rules.ts";

const textOf = (file: string): string => readFileSync(join(projectRoot, file), "utf8");

/** A test file and what it imports from the tests: a contract's titles stand beside the engines that run it. */
function titlesOf(file: string): string[] {
  const text = textOf(file);
  const imported = [...text.matchAll(/ from "(\.{1,2}\/[^"]+)"/g)].map(([, path]) =>
    join(dirname(file), path as string),
  );
  return [text, ...imported.filter((path) => path.startsWith("test/")).map(textOf)]
    .flatMap((one) => one.split("\n"))
    .filter((line) => /\b(test|it|check)\(/.test(line));
}

for (const { id, patches, test: noticer } of mutants) {
  test(`mutant ${id}: its patches fit, and its test exists`, () => {
    for (const file of new Set(patches.map((patch) => patch.file))) {
      const text = textOf(file);
      assert.notEqual(patched(file, text, patches), text);
    }
    assert.ok(existsSync(join(projectRoot, noticer.file)), `${noticer.file} is gone`);
    const titles = titlesOf(noticer.file).filter((line) => line.includes(noticer.name));
    assert.equal(titles.length, 1, `${noticer.file} has ${titles.length} tests named "${noticer.name}"`);
  });
}

test("the patches of the rules of the Kafka queue's simulation fit", () => {
  for (const [rule, patches] of Object.entries({ ...kafkaRules, ...standbyRules, ...mirrorRules })) {
    for (const file of new Set(patches.map((patch) => patch.file))) {
      const text = textOf(file);
      assert.notEqual(patched(file, text, patches), text, rule);
    }
  }
});

test("every invariant has two mutants, and no two mutants are one", () => {
  const texts = mutants.map(({ patches }) => JSON.stringify(patches));
  assert.equal(new Set(texts).size, mutants.length);
  assert.equal(new Set(mutants.map(({ id }) => id)).size, mutants.length);
  const counts = new Map<Invariant, number>();
  for (const { invariant } of mutants) counts.set(invariant, (counts.get(invariant) ?? 0) + 1);
  assert.equal(counts.size, 10);
  for (const [invariant, count] of counts) assert.ok(count >= 2, `${invariant} has ${count}`);
});
