import assert from "node:assert/strict";
import { test } from "node:test";
import { givenFromYaml } from "../../shared/options/given.ts";
import { count, flag } from "../../shared/options/kinds.ts";
import { resolveOptions } from "../../shared/options/resolve.ts";
import { type Kind, mapping, section } from "../../shared/options/table.ts";

const kinds = new Map<string, Kind<number | boolean>>([
  ["linger.ms", count(0, 900)],
  ["debug", flag],
]);
const table = section("A table.", {
  properties: mapping(
    (name) => kinds.get(name) ?? { why: "there is no such property", remedy: "look for it" },
    { names: "properties", schema: { type: ["number", "boolean"] }, countMax: 2, example: { debug: "true" } },
    "Properties.",
  ),
});

function resolve(yaml: string) {
  const { given, faults } = givenFromYaml(yaml, "x.yaml");
  assert.deepEqual(faults, []);
  const context = { prefix: "X", environment: {}, baseFolder: "/", workingFolder: "/" };
  const resolved = resolveOptions(table, given, context);
  const { properties } = resolved.value as { properties: Record<string, unknown> };
  const found = resolved.faults.map(({ line, path, what, why }) => `${line} ${path}: ${what}: ${why}`);
  return { properties, found, places: resolved.places };
}

test("each name of a mapping has a value of its own kind", () => {
  const { properties, found, places } = resolve("properties:\n  linger.ms: 5\n  debug: true\n");
  assert.deepEqual(properties, { "linger.ms": 5, debug: true });
  assert.deepEqual(found, []);
  assert.equal(places.get("properties.linger.ms")?.line, 2);
});

test("a mapping that is absent, or whose lines are all commented out, is empty", () => {
  for (const yaml of ["", "properties:\n", "properties: {}\n"]) assert.deepEqual(resolve(yaml).properties, {});
});

test("every wrong name and value has its line, and a refused name does not show its value", () => {
  const { properties, found } = resolve('properties:\n  linger.ms: "many"\n  sasl.password: hunter2\n');
  assert.deepEqual(properties, {});
  assert.deepEqual(found, [
    '2 properties.linger.ms: properties.linger.ms "many" cannot be used: quotes make it a text, and whole number is expected',
    '3 properties.sasl.password: "sasl.password" cannot be set: there is no such property',
  ]);
});

test("what is no mapping, or has too many entries, is a fault", () => {
  assert.match(resolve("properties: [linger.ms]\n").found.join(), /properties are expected here/);
  const many = resolve("properties: {linger.ms: 1, debug: false, other: 1}\n");
  assert.deepEqual(many.properties, { "linger.ms": 1, debug: false });
  assert.match(many.found.join(), /has 3 entries: at most 2 are allowed/);
});

test("names that mean something to JavaScript are names like others", () => {
  const { properties, found } = resolve("properties: {__proto__: 1, constructor: 2}\n");
  assert.deepEqual(Object.keys(properties), []);
  assert.equal(found.length, 2);
});
