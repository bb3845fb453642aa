/** The tail input on real files: growth, restarts and bounds, each line exactly once. */
import assert from "node:assert/strict";
import { appendFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { until } from "../fakes/input-context.ts";
import { sorted, useTailFolder } from "../fakes/tail-folder.ts";

void describe("tail input", () => {
  const { add, context, intake, path, seen, start, values } = useTailFolder();

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
      intake()
        .readings("log")
        .map(({ name, labels }) => [name, labels?.file]),
      [
        ["app", path("a.log")],
        ["app", path("a.log")],
        ["app", path("a.log")],
        ["app", path("b.log")],
      ],
    );
    assert.deepEqual(context().warnings, []);
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
    for (const { portions, cursors } of intake().committed) {
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
      intake()
        .readings("log")
        .map(({ labels }) => [labels?.part, labels?.last]),
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
    intake().refuse("full");
    add("a.log", "one", "two");
    const input = start(["*.log"]);
    await until(() => intake().attempts >= 3);
    add("a.log", "three");
    add("b.log", "four");
    assert.deepEqual(values(), []);
    await input.stop();
    intake().refuse(undefined);
    start(["*.log"]);
    await seen(4);
    assert.deepEqual(sorted(values()), ["four", "one", "three", "two"]);
  });

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
    for (const { portions } of intake().committed) assert.ok((portions[0]?.readings.length ?? 0) <= 22_000);
    assert.ok(
      intake()
        .committed.slice(0, 2)
        .some(({ portions }) => portions[0]?.readings.some(({ value }) => value === "small")),
    );
  });

  void it("bounds its cursors (I8)", async () => {
    const cursors = Array.from({ length: 1_100 }, (_, index) => ({
      key: `tail/app/1-${index}`,
      value: JSON.stringify({ path: "/gone", offset: 1, part: 0, headBytes: 1, head: "x", before: "y", turn: index }),
    }));
    await intake().append({ portions: [], cursors });
    add("a.log", "one");
    start(["a.log"]);
    await seen(1);
    assert.equal(intake().cursors("tail/app/").size, 1_025);
    assert.equal(intake().cursor("tail/app/1-75"), undefined);
    assert.notEqual(intake().cursor("tail/app/1-76"), undefined);
  });

  void it("starts with a cursor that cannot be read as with none (I10)", async () => {
    add("a.log", "one");
    const input = start(["a.log"]);
    await seen(1);
    await input.stop();
    const [key = ""] = intake().cursors("tail/app/").keys();
    await intake().append({ portions: [], cursors: [{ key, value: "{junk" }] });
    start(["a.log"]);
    await seen(2);
    assert.deepEqual(values(), ["one", "one"]);
  });
});
