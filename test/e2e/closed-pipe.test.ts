import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("a command whose reader is gone ends in peace", async () => {
  const script = fileURLToPath(new URL("../fakes/talker.ts", import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "pipe"] });
  let err = "";
  child.stderr.on("data", (part) => (err += part));
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  child.stdout.once("data", () => child.stdout.destroy());
  assert.equal(await ended, 0);
  assert.equal(err, "");
});
