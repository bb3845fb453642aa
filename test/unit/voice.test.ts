import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../shared/errors.ts";
import { countedText, countText, durationText, rateText, sizeText } from "../../shared/human.ts";
import { exitCodeOf, openVoice, tableLines } from "../../shared/voice.ts";

function sink(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { isTTY, columns, write: (text: string) => written.push(text), text: () => written.join("") };
}

const fault = new Fault("config", {
  what: "the store cannot be opened",
  why: "it is locked",
  remedy: "stop the other",
});

test("a fault says what, why and what now, on stderr", () => {
  const out = sink(false);
  const err = sink(false);
  assert.equal(openVoice(out, err, {}).fault(fault), 78);
  assert.equal(err.text(), "error: the store cannot be opened\n  why: it is locked\n  what now: stop the other\n");
  assert.equal(out.text(), "");
});

test("colour appears at a terminal only, and NO_COLOR is honoured", () => {
  for (const [isTTY, environment, coloured] of [
    [true, {}, true],
    [true, { NO_COLOR: "1" }, false],
    [true, { NO_COLOR: "" }, true],
    [true, { TERM: "dumb" }, false],
    [false, {}, false],
  ] as const) {
    const err = sink(isTTY);
    openVoice(sink(isTTY), err, environment).fault(fault);
    assert.equal(err.text().includes("\u001b["), coloured, JSON.stringify([isTTY, environment]));
  }
});

test("text from outside cannot steer the terminal", () => {
  const err = sink(false);
  openVoice(sink(false), err, {}).fault(new Fault("usage", { what: "a\u001b[2Jb\nc" }));
  assert.equal(err.text(), "error: a\\x1b[2Jb\\x0ac\n");
  assert.deepEqual(tableLines(["name"], [["x\ry"]]), ["name", "x\\x0dy"]);
});

test("a defect shows its stack and asks for a report", () => {
  const err = sink(false);
  assert.equal(openVoice(sink(false), err, {}).fault(new TypeError("undefined is no function")), 70);
  assert.match(err.text(), /^error: undefined is no function\n {2}why: at .*\n/);
  assert.match(err.text(), /please report/);
});

test("exit codes tell kinds of failure apart", () => {
  const codes = ["usage", "config", "locked", "unavailable", "full"] as const;
  assert.deepEqual(
    codes.map((code) => exitCodeOf(new Fault(code, { what: "x" }))),
    [64, 78, 75, 69, 1],
  );
});

test("tables are aligned, numbers to the right", () => {
  const lines = tableLines(
    ["stream", "pending", "oldest"],
    [
      ["alarm", "0", "–"],
      ["telemetry", "1,234", "3 h"],
    ],
  );
  assert.deepEqual(lines, ["stream     pending  oldest", "alarm            0  –", "telemetry    1,234  3 h"]);
});

test("progress is one changing line at a terminal, cut to its width", () => {
  let nowMs = 0;
  const err = sink(true, 12);
  const progress = openVoice(sink(true), err, {}, () => nowMs).progress();
  progress.update("one");
  nowMs = 50;
  progress.update("too soon");
  nowMs = 150;
  progress.update("two is longer than the line");
  progress.end("done");
  assert.equal(err.text(), "\r\u001b[Kone\r\u001b[Ktwo is long\r\u001b[Kdone\n");
});

test("progress is a plain line every few seconds elsewhere", () => {
  let nowMs = 0;
  const err = sink(false);
  const progress = openVoice(sink(false), err, {}, () => nowMs).progress();
  for (; nowMs < 11_000; nowMs += 1_000) progress.update(`at ${nowMs}`);
  progress.end("done");
  assert.equal(err.text(), "at 0\nat 5000\nat 10000\ndone\n");
});

test("numbers read as people write them", () => {
  const sizes: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1536, "1.5 kB"],
    [999_999, "1.0 MB"],
    [8e6, "8.0 MB"],
    [3.25e12, "3.3 TB"],
  ];
  for (const [bytes, text] of sizes) assert.equal(sizeText(bytes), text);
  const spans: [number, string][] = [
    [0, "0 ms"],
    [250, "250 ms"],
    [999.7, "1.0 s"],
    [1_500, "1.5 s"],
    [59_990, "1 min 0 s"],
    [200_000, "3 min 20 s"],
    [3_599_900, "1 h 0 min"],
    [86_399_999, "1 d 0 h"],
    [187_200_000, "2 d 4 h"],
    [Number.POSITIVE_INFINITY, "unknown"],
  ];
  for (const [ms, text] of spans) assert.equal(durationText(ms), text, String(ms));
  assert.equal(countText(1_234_567), "1,234,567");
  assert.equal(countedText(1, "reading"), "1 reading");
  assert.equal(countedText(2_000, "reading"), "2,000 readings");
  assert.equal(rateText(0.44), "0.4/s");
  assert.equal(rateText(1_234), "1,234/s");
});
