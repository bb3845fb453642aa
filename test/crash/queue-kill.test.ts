import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { describe, it, type TestContext } from "node:test";
import { openFileQueue } from "../../gateway/queue/file.ts";
import { highest } from "../../shared/ranges.ts";
import { laneOf } from "../fakes/outcomes.ts";
import { queueOptions, readLines, tempFolder } from "../fakes/queue-folder.ts";

const writer = new URL("queue-writer.ts", import.meta.url).pathname;
const lane = laneOf("pump-17");

/** Runs the writer; `onLine` is told of every line it prints. Resolves with its exit code once it is gone. */
async function run(t: TestContext, command: readonly string[], onLine: (line: string, child: ChildProcess) => void) {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) onLine(line, child);
  });
  return new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
}

/** Every seq up to the position is there once, in order, and nothing else. */
async function checkQueue(folder: string, acknowledged: number): Promise<number> {
  const queue = openFileQueue(queueOptions(folder));
  const forwarded = highest(queue.forwarded(lane));
  await queue.close();
  const lines = await readLines(folder);
  assert.equal(lines.length, forwarded, "as many lines as the position says");
  assert.ok(
    lines.every((line, i) => line.seq === i + 1 && line.value === i + 1),
    "each seq once",
  );
  assert.ok(forwarded >= acknowledged, `acknowledged ${acknowledged}, forwarded ${forwarded}`);
  return forwarded;
}

void describe("crashes of a process that writes the file queue", () => {
  void it("I5: SIGKILL at any moment loses and doubles nothing that was acknowledged", async (t) => {
    const folder = tempFolder(t);
    let acknowledged = 0;
    let kills = 0;
    for (let round = 0; round < 8; round++) {
      // Each round dies after another number of commits, and then at a moment within the next ones.
      const killAfter = 1 + ((round * 7) % 19);
      let seen = 0;
      await run(t, [process.execPath, writer, folder, "1000000"], (line, child) => {
        acknowledged = Number(line.split(" ")[1]);
        if (++seen === killAfter) setTimeout(() => void child.kill("SIGKILL"), round % 4).unref();
      });
      kills++;
      await checkQueue(folder, acknowledged);
    }
    assert.equal(kills, 8);
    assert.ok(acknowledged > 0);
  });

  void it("I5: whichever sync fails with EIO, the lines and the positions agree", async (t) => {
    const traced = spawnSync("strace", ["-o", "/dev/null", "true"], { encoding: "utf8" });
    if (traced.status !== 0) return t.skip(`strace cannot be used here: ${traced.error?.message ?? traced.stderr}`);
    for (const when of ["8+3", "9+4", "10+7"]) {
      const folder = tempFolder(t);
      const inject = ["-e", "trace=fsync,fdatasync", "-e", `inject=fsync,fdatasync:error=EIO:when=${when}`];
      const command = ["strace", "-f", "-qq", "-o", "/dev/null", ...inject, process.execPath, writer, folder, "30"];
      let acknowledged = 0;
      let refused = 0;
      const code = await run(t, command, (line) => {
        if (line.startsWith("refused")) refused++;
        else acknowledged = Number(line.split(" ")[1]);
      });
      assert.equal(code, 0);
      assert.ok(refused > 3, `${refused} commits were refused`);
      await checkQueue(folder, acknowledged);
    }
  });
});
