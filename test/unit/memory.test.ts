import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseStartMemory } from "../../shared/memory.ts";

test("garbage of the start is collected, and gc does not stay exposed", () => {
  const filler = Array.from({ length: 200_000 }, (_, index) => ({ index }));
  const filledBytes = process.memoryUsage().heapUsed;
  filler.length = 0;
  releaseStartMemory();
  assert.ok(process.memoryUsage().heapUsed < filledBytes - 4_000_000);
  assert.equal("gc" in globalThis, false);
});
