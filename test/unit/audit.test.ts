import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type AuditResult, type FindingKind, openAudit, passed } from "../../demo/audit.ts";
import { contentOf, openMemory, type Remembered, readerOf } from "../../demo/memory.ts";

const place = { agent: "pump-1", stream: "telemetry" };
const series = { name: "flow", unit: "l", labels: { hall: "süd", pipe: "2" } };
const epoch = "0123456789abcdef";
const timeUs = 1_767_323_045_678_901;

interface Shape {
  readonly [member: string]: unknown;
}

/** Ten readings that were sent, of which all but the last were acknowledged, and the lines of a queue that has them. */
function sent(count = 10): { memory: Remembered; lines: Shape[] } {
  const memory = openMemory();
  const ids = Array.from({ length: count }, (_, i) =>
    memory.attempt(place, { name: series.name, value: i + 1 }, contentOf({ ...series, timeUs: timeUs + i })),
  );
  memory.acknowledge(ids.slice(0, -1));
  return { memory, lines: ids.map((_, i) => lineOf(i + 1)) };
}

function lineOf(seq: number, more: Shape = {}): Shape {
  const time = { time: "2026-01-02T03:04:05.678901Z", timeUs: timeUs + seq - 1 };
  const head = { kind: "reading", ...place, epoch, seq, ...time };
  return { ...head, ...series, sensorTime: true, value: seq, clock: "synced", ...more };
}

function lossOf(firstSeq: number, lastSeq: number, more: Shape = {}): Shape {
  return { kind: "loss", ...place, epoch, firstSeq, lastSeq, count: lastSeq - firstSeq + 1, reason: "quota", ...more };
}

function auditOf(memory: Remembered, lines: readonly (Shape | string)[], reader = readerOf(["host"])): AuditResult {
  const audit = openAudit(memory, reader);
  for (const line of lines) audit.take(typeof line === "string" ? line : JSON.stringify(line));
  return audit.end();
}

/** The kinds that were found, each with its count. */
function found(memory: Remembered, lines: readonly (Shape | string)[]): Partial<Record<FindingKind, number>> {
  return { ...auditOf(memory, lines).counts };
}

test("a queue that has all, in any order, passes", () => {
  const { memory, lines } = sent();
  const result = auditOf(memory, lines.toReversed());
  assert.ok(passed(result));
  assert.deepEqual(
    [result.attempted, result.acknowledged, result.queued, result.queuedUnacknowledged, result.lostSeqs, result.epochs],
    [10, 9, 10, 1, 0, 1],
  );
});

test("what was never acknowledged may be missing", () => {
  const { memory, lines } = sent();
  assert.deepEqual(found(memory, lines.slice(0, 9)), {});
});

test("a missing acknowledged reading is found, also as a hole in the seqs", () => {
  const { memory, lines } = sent();
  assert.deepEqual(found(memory, lines.toSpliced(4, 1)), { lost: 1, "seq missing": 1 });
  const result = auditOf(memory, lines.toSpliced(4, 1));
  assert.deepEqual(
    result.findings.map(({ text }) => text),
    [`pump-1/telemetry/${epoch} 5`, "flow 5"],
  );
});

test("a missing reading at the end is found, where no seq shows it", () => {
  const { memory, lines } = sent();
  assert.deepEqual(found(memory, lines.slice(0, 8)), { lost: 1 });
  assert.deepEqual(found(memory, []), { lost: 9 });
});

test("a missing first reading is found by its seq alone", () => {
  const { lines } = sent();
  assert.deepEqual(
    found(
      openMemory(),
      lines.slice(1).map((line) => ({ ...line, stream: "host" })),
    ),
    {
      "seq missing": 1,
    },
  );
});

test("a loss record makes up for as many as it names, and only in its own stream", () => {
  const { memory, lines } = sent();
  const without = lines.toSpliced(3, 2);
  const named = auditOf(memory, [...without, lossOf(4, 5)]);
  assert.ok(passed(named));
  assert.deepEqual([named.lostNamed, named.lostSeqs], [2, 2]);
  assert.deepEqual(found(memory, [...without, lossOf(4, 4)]), { lost: 1, "seq missing": 1 });
  const elsewhere = lossOf(1, 2, { stream: "log" });
  assert.deepEqual(found(memory, [...without, elsewhere]), { lost: 2, "seq missing": 1, "loss beyond attempts": 1 });
});

test("a loss of what was never sent is found", () => {
  const { memory, lines } = sent();
  assert.deepEqual(found(memory, [...lines, lossOf(11, 13)]), { "loss beyond attempts": 1 });
});

test("a doubled reading is found under the same name and under another", () => {
  const { memory, lines } = sent();
  assert.deepEqual(found(memory, [...lines, lineOf(3)]), { doubled: 1, "seq doubled": 1 });
  assert.deepEqual(found(memory, [...lines, lineOf(3, { seq: 11 })]), { doubled: 1 });
  assert.deepEqual(found(memory, [...lines, lineOf(3, { seq: 1, epoch: "fedcba9876543210" })]), { doubled: 1 });
});

test("a marked repeat is a finding unless it was asked for, and an unmarked one always is", () => {
  const { memory, lines } = sent();
  const marked = lineOf(3, { seq: 1, epoch: "fedcba9876543210", repeated: true });
  assert.deepEqual(found(memory, [...lines, marked]), { doubled: 1 });
  const allowed = auditOf(memory, [...lines, marked], readerOf([], true));
  assert.ok(passed(allowed));
  assert.equal(allowed.repeated, 1);
  const unmarked = auditOf(memory, [...lines, { ...marked, repeated: undefined }], readerOf([], true));
  assert.deepEqual(unmarked.counts, { doubled: 1 });
});

test("a reading that nobody sent is found, whatever it looks like", () => {
  const { memory, lines } = sent();
  assert.deepEqual(found(memory, [...lines, lineOf(11, { value: 77 })]), { invented: 1 });
  assert.deepEqual(found(memory, [...lines, lineOf(11, { name: "other" })]), { invented: 1 });
  assert.deepEqual(found(memory, [...lines, lineOf(11, { value: true })]), { invented: 1 });
  const bytes = { value: undefined, valueBase64: "AAEC" };
  assert.deepEqual(found(memory, [...lines, lineOf(11, bytes)]), { invented: 1 });
});

test("a seq with two outcomes is found: reading and loss, loss and loss, overlapping in part", () => {
  const { memory, lines } = sent();
  const doubled = auditOf(memory, [...lines.toSpliced(8, 2), lossOf(8, 9)]);
  assert.deepEqual(doubled.counts, { "seq doubled": 1 });
  const overlapping = auditOf(memory, [...lines.slice(0, 6), lossOf(7, 9), lossOf(8, 10)]);
  assert.deepEqual(overlapping.counts, { "seq doubled": 1, "loss beyond attempts": 1 });
});

const changes: readonly (readonly [string, Shape])[] = [
  ["unit", { unit: "ml" }],
  ["no unit", { unit: undefined }],
  ["label", { labels: { hall: "sud", pipe: "2" } }],
  ["one label less", { labels: { hall: "süd" } }],
  ["time", { timeUs: timeUs + 5 }],
  ["a time that is not the source's", { sensorTime: undefined }],
  ["stream", { stream: "alarm", seq: 1 }],
  ["agent", { agent: "pump-2", seq: 1 }],
];

for (const [what, change] of changes) {
  test(`wrong content is found: ${what}`, () => {
    const { memory, lines } = sent();
    assert.equal(found(memory, lines.with(4, lineOf(5, change))).changed, 1);
  });
}

test("labels may stand in any order", () => {
  const { memory, lines } = sent();
  assert.deepEqual(found(memory, lines.with(4, lineOf(5, { labels: { pipe: "2", hall: "süd" } }))), {});
});

test("dead letters and lines that are none are found", () => {
  const { memory, lines } = sent();
  const letter = { ...lossOf(5, 5), kind: "dead-letter", codec: 7, payloadBase64: "" };
  assert.deepEqual(found(memory, lines.with(4, letter)), { "dead letter": 1 });
  for (const bad of ["", "{", "null", "7", "[]", '{"kind":"reading"}', JSON.stringify(lineOf(0))]) {
    assert.deepEqual(found(memory, [...lines, bad]), { unreadable: 1 }, bad);
  }
});

test("readings without a witness count by their seqs", () => {
  const { memory, lines } = sent();
  const host = [1, 2, 3].map((seq) => lineOf(seq, { stream: "host", name: "cpu", value: 0.5 }));
  const result = auditOf(memory, [...lines, ...host]);
  assert.ok(passed(result));
  assert.equal(result.unwitnessed, 3);
  assert.deepEqual(found(memory, [...lines, ...host.toSpliced(1, 1)]), { "seq missing": 1 });
  assert.deepEqual(found(memory, [...lines, ...host, host[1] as Shape]), { "seq doubled": 1 });
});

test("an attempt needs an id of its own, and only what was sent can be acknowledged", () => {
  const { memory, lines } = sent();
  assert.throws(() => memory.attempt(place, { name: series.name, value: 3 }, ""), /attempted before/);
  memory.acknowledge(["flow 99"]);
  assert.throws(() => auditOf(memory, lines), /never sent it/);
});

test("whatever single line is removed, repeated or changed in its value, the audit does not pass", () => {
  const kinds = fc.constantFrom("remove", "repeat", "value", "seq");
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), fc.nat(), kinds, (count, pick, put, kind) => {
      const { memory, lines } = sent(count);
      const at = pick % (count - 1);
      const victim = lines[at] as Shape;
      const spoilt = {
        remove: () => lines.toSpliced(at, 1),
        repeat: () => lines.toSpliced(put % count, 0, victim),
        value: () => lines.with(at, { ...victim, value: -1 }),
        seq: () => lines.with(at, { ...victim, seq: at + 2 }),
      }[kind]();
      assert.ok(!passed(auditOf(memory, spoilt)));
      assert.ok(passed(auditOf(memory, lines)));
    }),
  );
});
