import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import Database from "better-sqlite3";
import { openFileQueue } from "../../gateway/queue/file.ts";
import { highest } from "../../shared/ranges.ts";
import { laneOf } from "../fakes/outcomes.ts";
import { queueOptions, readLines, tempFolder } from "../fakes/queue-folder.ts";
import { straceMissing, withEioAt } from "./strace.ts";

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
async function checkQueue(folder: string, acknowledged: number): Promise<void> {
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
    const missing = straceMissing();
    if (missing !== undefined) return t.skip(missing);
    // Farther apart than the syncs of one recovery, or it would never end.
    for (const when of ["8+11", "9+12", "10+14"]) {
      const folder = tempFolder(t);
      const { refused, code } = await runWithEio(t, folder, when, "go-on");
      assert.equal(code, 0);
      assert.ok(refused > 1, `${refused} commits were refused`);
      assert.ok((await readLines(folder)).length >= 30);
    }
  });

  void it("I5: a process that dies right after a failed sync leaves a queue that opens", async (t) => {
    const missing = straceMissing();
    if (missing !== undefined) return t.skip(missing);
    let deaths = 0;
    for (let sync = 8; sync < 18; sync++) {
      const folder = tempFolder(t);
      await openFileQueue(queueOptions(folder)).close();
      // With a reader of another process the dying one is not the last to close positions.db, so its WAL stays behind.
      const reader = new Database(join(folder, "positions.db"), { readonly: true });
      assert.equal(reader.prepare("SELECT count(*) FROM segments").pluck().get(), 1);
      const { refused } = await runWithEio(t, folder, `${sync}`, "die", () => reader.close());
      deaths += refused;
    }
    // A sync that fails while a segment is closed refuses nothing: that commit is done.
    assert.ok(deaths >= 5, `${deaths} of 10 met a commit`);
  });
});

/** Runs the writer with EIO at the syncs that `when` names, in the terms of strace, and checks the queue. */
async function runWithEio(t: TestContext, folder: string, when: string, atRefusal: string, onEnd = () => {}) {
  let acknowledged = 0;
  let refused = 0;
  const code = await run(t, [...withEioAt(when), process.execPath, writer, folder, "30", atRefusal], (line) => {
    if (line.startsWith("refused")) refused++;
    else acknowledged = Number(line.split(" ")[1]);
  });
  onEnd();
  await checkQueue(folder, acknowledged);
  return { refused, code };
}
