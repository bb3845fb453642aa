/** The tail input on files that are rotated, copied, truncated and deleted, each line exactly once. */
import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { until } from "../fakes/input-context.ts";
import { sorted, useTailFolder } from "../fakes/tail-folder.ts";

void describe("tail input and rotation", () => {
  const { add, context, intake, path, seen, start, values } = useTailFolder();

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
    assert.ok(
      intake()
        .readings("log")
        .every(({ labels }) => labels?.file === path("app.log")),
    );
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
    const of = (name: string) =>
      intake()
        .readings("log")
        .filter(({ labels }) => labels?.file === path(name));
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
    const [old] = intake().cursors("tail/app/").keys();
    // Its cursor goes with the next commit.
    await until(() => {
      add("b.log", "more");
      return (
        old === undefined || intake().cursor(old) === undefined || intake().cursor(old)?.includes("b.log") === true
      );
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
    assert.equal(context().warnings.length, 2);
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
});
