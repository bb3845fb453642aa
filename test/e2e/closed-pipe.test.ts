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

const programs = ["agent", "gateway"] as const;
for (const program of programs) {
  test(`${program}: init - whose reader is gone ends in peace`, async () => {
    const cli = fileURLToPath(new URL(`../../${program}/cli.ts`, import.meta.url));
    const child = spawn("bash", ["-c", `"$0" "$1" init - | true; exit "\${PIPESTATUS[0]}"`, process.execPath, cli], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let err = "";
    child.stderr.on("data", (part) => (err += part));
    assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0);
    assert.equal(err, "");
  });
}
