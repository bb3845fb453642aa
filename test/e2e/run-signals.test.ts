import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Starts the program and resolves once it is up. */
async function start(mode: string) {
  const script = fileURLToPath(new URL("../fakes/lived.ts", import.meta.url));
  const child = spawn(process.execPath, [script, mode], { stdio: ["ignore", "pipe", "pipe"] });
  let err = "";
  child.stderr.on("data", (part) => (err += part));
  const ended = new Promise<{ code: number | null; err: string }>((resolve) => {
    child.on("close", (code) => resolve({ code, err }));
  });
  await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  const stopping = () =>
    new Promise<void>((resolve) => {
      child.stderr.on("data", () => err.includes('"msg":"stopping"') && resolve());
    });
  return { child, ended, stopping };
}

test("a real SIGTERM ends the process with 0, and its last log line arrives", async () => {
  const { child, ended } = await start("stops");
  child.kill("SIGTERM");
  const { code, err } = await ended;
  assert.equal(code, 0);
  assert.match(err, /"level":"info".*"signal":"SIGTERM","msg":"stopping"/);
});

test("a second real signal ends a process whose stop hangs", async () => {
  const { child, ended, stopping } = await start("never");
  const first = stopping();
  child.kill("SIGTERM");
  await first;
  child.kill("SIGTERM");
  assert.equal((await ended).code, 143);
});
