import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openFileQueue } from "../../gateway/queue/file.ts";
import { laneOf, loss, readings } from "../fakes/outcomes.ts";
import { queueOptions, tempFolder } from "../fakes/queue-folder.ts";

const page = readFileSync(new URL("../../docs/integrate/read-the-queue.md", import.meta.url), "utf8");

function examples(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}-example\\n(.*?)^\`\`\``, "gms"))].map(
    (match) => match[1] as string,
  );
}

/** A queue whose closed segments hold ten readings and a loss record, and whose open one holds garbage at its end. */
async function sampleQueue(t: TestContext): Promise<string> {
  const folder = tempFolder(t);
  const queue = openFileQueue(queueOptions(folder, { segmentBytesMax: 1 }));
  await queue.commit(
    [readings(laneOf("pump-17"), 1, [20, 21, 22.5, "open", true]), loss(laneOf("pump-17"), [{ first: 6, last: 9 }])],
    [],
  );
  await queue.commit([readings(laneOf("pump-18"), 1, [1, 2, 3, 4, 5])], []);
  await queue.close();
  const open = readdirSync(folder).find((name) => name.endsWith(".open")) as string;
  writeFileSync(join(folder, open), '{"kind":"reading","agent":"pump-17","seq":4711,"na');
  return folder;
}

/** Runs a program in `folder`; a string says why it cannot be run. */
function run(folder: string, program: string, args: readonly string[]): { lines: string[] } | string {
  const version = spawnSync(program, ["--version"]);
  if (version.error !== undefined || version.status !== 0) return `${program} is not installed here`;
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return { lines: stdout.replace(/\n$/, "").split("\n") };
}

void describe("the examples of read-the-queue.md", () => {
  void it("jq prints the newest values and the losses", async (t) => {
    const jq = run(tempFolder(t), "jq", ["-n", "1"]);
    if (typeof jq === "string") return t.skip(jq);
    const folder = await sampleQueue(t);
    const [newest, losses] = examples("jq").map((script) => run(folder, "bash", ["-c", script]));
    assert.deepEqual(newest, {
      lines: [
        '{"series":"pump-17/temperature","time":"2026-01-02T03:04:09.678901Z","value":true}',
        '{"series":"pump-18/temperature","time":"2026-01-02T03:04:09.678901Z","value":5}',
      ],
    });
    assert.deepEqual(losses, { lines: ['{"pump-17 quota":4}'] });
  });

  void it("Python copies every reading once, however often it runs", async (t) => {
    const folder = await sampleQueue(t);
    const [script = ""] = examples("python");
    writeFileSync(join(folder, "copy.py"), script);
    for (let attempt = 0; attempt < 2; attempt++) {
      const result = run(folder, "python3", ["copy.py", folder, join(folder, "copy.db")]);
      if (typeof result === "string") return t.skip(result);
      assert.deepEqual(result.lines, ["10 readings"]);
    }
  });

  void it("DuckDB finds the means, the losses and no name twice", async (t) => {
    const folder = await sampleQueue(t);
    const found = spawnSync("python3", ["-c", "import duckdb"]);
    if (found.status !== 0) return t.skip("DuckDB's Python package is not installed here");
    const [sql = ""] = examples("sql");
    const program =
      "import sys, duckdb\nfor s in duckdb.extract_statements(sys.argv[1]):\n r = duckdb.execute(s).fetchall()\n print(*r, sep='|')";
    const result = run(folder, "python3", ["-c", program, sql]);
    assert.ok(typeof result !== "string");
    const [, means, losses, twice] = result.lines;
    assert.match(means ?? "", /'pump-17'.*21\.16.*'pump-18'.*3\.0/);
    assert.equal(losses, "('pump-17', 'telemetry', 'quota', 4)");
    assert.equal(twice, "");
  });
});
