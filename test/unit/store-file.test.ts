/** What keeps a store from being opened without anything being wrong with it. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { append, storeIn, tempFolder } from "../fakes/agent-store.ts";

void test("one process has a store: the second is told which one", (t) => {
  const folder = tempFolder(t);
  const { file } = storeIn(folder);
  assert.throws(() => storeIn(folder), { code: "locked", message: new RegExp(`${process.pid}`) });
  file.close();
  storeIn(folder).file.close();
});

void test("I10: a disk without room keeps a store from opening, gives up the ballast, and moves nothing", (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, "ballast"), "room");
  assert.throws(() => storeIn(folder, undefined, 2 * 4096), { code: "full", retryable: true });
  assert.equal(existsSync(join(folder, "quarantine")), false);
  assert.equal(existsSync(join(folder, "ballast")), false);
  const { store, file } = storeIn(folder);
  assert.equal(file.recovery, null);
  append(store, [1]);
  file.close();
});
