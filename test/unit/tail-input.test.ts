/** The tail input on real files: growth, rotations, truncations and restarts, each line exactly once. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { Input } from "../../agent/inputs/input.ts";
import { startTail, type TailPace } from "../../agent/inputs/tail.ts";
import { type Env, realEnv } from "../../shared/env.ts";
import { createTestContext, type TestContext, until } from "../fakes/input-context.ts";
import { createFakeIntake, type FakeIntake } from "../fakes/intake.ts";

/** Time a hundred times as fast: waits and time-outs of the input shrink to ms. */
function fastEnv(): Env {
  const env = realEnv();
  return { ...env, monoMs: () => env.monoMs() * 100, after: (delayMs, action) => env.after(delayMs / 100, action) };
}

const sorted = (values: unknown[]) => values.map(String).sort((a, b) => (a < b ? -1 : 1));

void describe("tail input", () => {
  let folder: string;
  let intake: FakeIntake;
  let context: TestContext;
  let running: Input[];
  const path = (name: string) => join(folder, name);
  const add = (name: string, ...lines: string[]) =>
    appendFileSync(path(name), lines.map((line) => `${line}\n`).join(""));
  const values = () => intake.readings("log").map(({ value }) => value);
  const seen = (count: number) => until(() => values().length >= count);

  function start(patterns: string[], pace: Partial<TailPace> = {}): Input {
    context = createTestContext(intake, fastEnv());
    const options = { name: "app", files: patterns.map(path), stream: "log", format: "text" } as const;
    const input = startTail(options, context, { scanMs: 500, releaseMs: 1_000_000, ...pace });
    running.push(input);
    return input;
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-tail-"));
    intake = createFakeIntake();
    running = [];
  });
  afterEach(async () => {
    for (const input of running) await input.stop();
    rmSync(folder, { recursive: true });
  });

  void it("takes what is there, what is added, and files that come later", async () => {
    add("a.log", "one", "two");
    start(["*.log"]);
    await seen(2);
    add("a.log", "three");
    await seen(3);
    add("b.log", "four");
    await seen(4);
    assert.deepEqual(values(), ["one", "two", "three", "four"]);
    assert.deepEqual(
      intake.readings("log").map(({ name, labels }) => [name, labels?.file]),
      [
        ["app", path("a.log")],
        ["app", path("a.log")],
        ["app", path("a.log")],
        ["app", path("b.log")],
      ],
    );
    assert.deepEqual(context.warnings, []);
  });

  void it("waits for the newline of a half-written line", async () => {
    writeFileSync(path("a.log"), "one\nha");
    start(["a.log"]);
    await seen(1);
    appendFileSync(path("a.log"), "lf\n");
    await seen(2);
    assert.deepEqual(values(), ["one", "half"]);
  });

  void it("moves the cursor in the transaction of the lines (I1)", async () => {
    add("a.log", "one");
    start(["a.log"]);
    await seen(1);
    for (const { portions, cursors } of intake.committed) {
      assert.equal(portions[0]?.readings.length, 1);
      assert.equal(cursors?.length, 1);
      assert.equal((JSON.parse(cursors?.[0]?.value ?? "") as { offset: number }).offset, 4);
    }
  });

  void it("takes each line once over restarts, in the middle of a long line too (I1)", async () => {
    const long = "x".repeat(200_000);
    add("a.log", "one");
    await restarted(1);
    appendFileSync(path("a.log"), long);
    await restarted(4);
    appendFileSync(path("a.log"), "end\nla");
    await restarted(5);
    appendFileSync(path("a.log"), "st\n");
    await restarted(6);
    const [first, ...rest] = values() as string[];
    assert.deepEqual([first, rest.slice(0, -1).join(""), rest.at(-1)], ["one", `${long}end`, "last"]);
    assert.deepEqual(
      intake.readings("log").map(({ labels }) => [labels?.part, labels?.last]),
      [
        [undefined, undefined],
        ["1", undefined],
        ["2", undefined],
        ["3", undefined],
        ["4", "true"],
        [undefined, undefined],
      ],
    );

    async function restarted(count: number): Promise<void> {
      const input = start(["a.log"]);
      await seen(count);
      await input.stop();
    }
  });

  void it("skips and doubles nothing while the intake is full, refuses or is slow (I1)", async () => {
    intake.refuse("full");
    add("a.log", "one", "two");
    const input = start(["*.log"]);
    await until(() => intake.attempts >= 3);
    add("a.log", "three");
    add("b.log", "four");
    assert.deepEqual(values(), []);
    await input.stop();
    intake.refuse(undefined);
    start(["*.log"]);
    await seen(4);
    assert.deepEqual(sorted(values()), ["four", "one", "three", "two"]);
  });

  void it("finishes a file that was renamed before its successor", async () => {
    add("app.log", "1");
    start(["app.log"]);
    await seen(1);
    add("app.log", "2");
    renameSync(path("app.log"), path("app.log.1"));
    add("app.log", "4");
    appendFileSync(path("app.log.1"), "3\n");
    await seen(4);
    add("app.log", "5");
    await seen(5);
    const order = values().filter((value) => value !== "3");
    assert.deepEqual(order, ["1", "2", "4", "5"]);
    assert.equal(values().filter((value) => value === "3").length, 1);
    assert.ok(intake.readings("log").every(({ labels }) => labels?.file === path("app.log")));
  });

  void it("finds its place again after several rotations while it was stopped (I1)", async () => {
    add("app.log", "1", "2");
    const input = start(["app.log*"]);
    await seen(2);
    await input.stop();
    add("app.log", "3");
    renameSync(path("app.log"), path("app.log.1"));
    add("app.log", "4");
    renameSync(path("app.log.1"), path("app.log.2"));
    renameSync(path("app.log"), path("app.log.1"));
    add("app.log", "5");
    start(["app.log*"]);
    await seen(5);
    // The file in between was never seen under another name, so it is a file of its own.
    const of = (name: string) => intake.readings("log").filter(({ labels }) => labels?.file === path(name));
    assert.deepEqual(
      of("app.log").map(({ value }) => value),
      ["1", "2", "3", "5"],
    );
    assert.deepEqual(
      of("app.log.1").map(({ value }) => value),
      ["4"],
    );
  });

  void it("finds a file that was renamed out of the pattern while it was stopped (I1)", async () => {
    add("app.log", "1");
    add("other.txt", "not ours");
    const input = start(["app.log"]);
    await seen(1);
    await input.stop();
    add("app.log", "2");
    renameSync(path("app.log"), path("app.old"));
    add("app.log", "3");
    start(["app.log"]);
    await seen(3);
    add("app.old", "4");
    await seen(4);
    assert.deepEqual(values(), ["1", "2", "3", "4"]);
  });

  void it("reads a deleted file to its end, half a line included, and forgets it", async () => {
    add("a.log", "one");
    start(["*.log"], { releaseMs: 1 });
    await seen(1);
    appendFileSync(path("a.log"), "two\nhalf");
    unlinkSync(path("a.log"));
    await seen(3);
    assert.deepEqual(values(), ["one", "two", "half"]);
    const [old] = intake.cursors("tail/app/").keys();
    // Its cursor goes with the next commit.
    await until(() => {
      add("b.log", "more");
      return old === undefined || intake.cursor(old) === undefined || intake.cursor(old)?.includes("b.log") === true;
    });
  });

  void it("starts a truncated file anew, also one that was refilled beyond the position", async () => {
    add("a.log", "one", "two", "three");
    start(["a.log"]);
    await seen(3);
    writeFileSync(path("a.log"), "four\n");
    await seen(4);
    writeFileSync(path("a.log"), "five\nsix\nseven\neight\n");
    await seen(8);
    assert.deepEqual(values(), ["one", "two", "three", "four", "five", "six", "seven", "eight"]);
    assert.equal(context.warnings.length, 2);
  });

  void it("starts a file anew that was truncated while it was stopped", async () => {
    add("a.log", "one", "two");
    const input = start(["a.log"]);
    await seen(2);
    await input.stop();
    writeFileSync(path("a.log"), "three\n");
    start(["a.log"]);
    await seen(3);
    assert.deepEqual(values(), ["one", "two", "three"]);
  });

  for (const stopped of [false, true]) {
    void it(`doubles nothing when a log is copied and truncated, ${stopped ? "stopped" : "running"} (I1)`, async () => {
      const lines = Array.from({ length: 100 }, (_, index) => `line ${index} of a log that is copied`);
      add("app.log", ...lines);
      const input = start(["app.log*"]);
      await seen(100);
      if (stopped) {
        await input.stop();
        add("app.log", "only in the copy");
      }
      copyFileSync(path("app.log"), path("app.log.1"));
      truncateSync(path("app.log"));
      add("app.log", "after");
      if (stopped) start(["app.log*"]);
      const expected = [...lines, "after", ...(stopped ? ["only in the copy"] : [])];
      await seen(expected.length);
      // What comes to the copy now shows that it was taken up, and where.
      add("app.log.1", "last");
      await seen(expected.length + 1);
      assert.deepEqual(sorted(values()), sorted([...expected, "last"]));
    });
  }

  void it("takes two files that begin alike for two files", async () => {
    const head = Array.from({ length: 50 }, (_, index) => `# the same banner, line ${index}`);
    add("a.log", ...head, "a");
    start(["*.log"]);
    await seen(51);
    add("b.log", ...head, "b");
    await seen(102);
    assert.deepEqual(values(), [...head, "a", ...head, "b"]);
  });

  void it("keeps binary junk as bytes, and reads CRLF", async () => {
    writeFileSync(path("a.log"), Buffer.concat([Buffer.from([0, 0xff, 0xfe, 10]), Buffer.from("text\r\n")]));
    start(["a.log"]);
    await seen(2);
    assert.deepEqual(values(), [new Uint8Array([0, 0xff, 0xfe]), "text"]);
  });

  void it("does not read archives that were packed", async () => {
    writeFileSync(path("app.log.1.gz"), gzipSync("old\n"));
    add("app.log", "new");
    start(["app.log*"]);
    await seen(1);
    add("app.log", "newer");
    await seen(2);
    assert.deepEqual(values(), ["new", "newer"]);
  });

  void it("takes a large file in bounded requests, and another file meanwhile (I8)", async () => {
    const lines = Array.from({ length: 30_000 }, (_, index) => `line ${index} ${"x".repeat(index % 100)}`);
    add("big.log", ...lines);
    add("small.log", "small");
    start(["*.log"]);
    await seen(30_001);
    assert.deepEqual(
      values().filter((value) => value !== "small"),
      lines,
    );
    for (const { portions } of intake.committed) assert.ok((portions[0]?.readings.length ?? 0) <= 22_000);
    assert.ok(
      intake.committed.slice(0, 2).some(({ portions }) => portions[0]?.readings.some(({ value }) => value === "small")),
    );
  });

  void it("bounds its cursors (I8)", async () => {
    const cursors = Array.from({ length: 1_100 }, (_, index) => ({
      key: `tail/app/1-${index}`,
      value: JSON.stringify({ path: "/gone", offset: 1, part: 0, headBytes: 1, head: "x", before: "y", turn: index }),
    }));
    await intake.append({ portions: [], cursors });
    add("a.log", "one");
    start(["a.log"]);
    await seen(1);
    assert.equal(intake.cursors("tail/app/").size, 1_025);
    assert.equal(intake.cursor("tail/app/1-75"), undefined);
    assert.notEqual(intake.cursor("tail/app/1-76"), undefined);
  });

  void it("starts with a cursor that cannot be read as with none (I10)", async () => {
    add("a.log", "one");
    const input = start(["a.log"]);
    await seen(1);
    await input.stop();
    const [key = ""] = intake.cursors("tail/app/").keys();
    await intake.append({ portions: [], cursors: [{ key, value: "{junk" }] });
    start(["a.log"]);
    await seen(2);
    assert.deepEqual(values(), ["one", "one"]);
  });
});
