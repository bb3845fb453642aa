import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../demo/waiting.ts";
import { collectEvery } from "../../shared/memory.ts";

const megabyte = 1024 * 1024;

/** Buffers that have lived long enough to wait for a collection of everything. */
function aged(): Buffer[] {
  const buffers = Array.from({ length: 32 }, () => Buffer.alloc(megabyte));
  collectEvery(1)(1);
  return buffers;
}

test("buffers that nobody holds any more are given back once so many bytes have come (I8)", async () => {
  const came = collectEvery(4 * megabyte);
  let held = aged();
  const bytes = (): number => process.memoryUsage().arrayBuffers;
  const before = bytes();
  assert.ok(before >= 32 * megabyte && held.length === 32);
  held = [];
  came(3 * megabyte);
  came(2 * megabyte);
  await until("the buffers are gone", () => bytes() < before - 24 * megabyte, 5_000, 5);
});
