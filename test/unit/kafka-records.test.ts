import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Compile } from "typebox/schema";
import { partitionOf } from "../../gateway/queue/kafka/records/partition.ts";
import { isOwnTopic, recordsOf, topicsOf } from "../../gateway/queue/kafka/records/records.ts";
import { decodeBatch } from "../../gateway/queue/kafka/records/value-batch.ts";
import { topicNames } from "../../gateway/queue/kafka/topics/topic-names.ts";
import {
  chains,
  counted,
  deadOutcome,
  headersOf,
  lane,
  lossOutcome,
  readingsOutcome,
  recordOptions,
  recordsFor,
  textOf,
  writing,
} from "../fakes/kafka-records.ts";
import { startUs } from "../fakes/outcomes.ts";

const schemaPath = new URL("../../gateway/queue/line.schema.json", import.meta.url);
const schema = Compile(JSON.parse(readFileSync(schemaPath, "utf8")));
const named = { holdfast: "holdfast/3/81723", ...lane };
const startMs = Math.floor(startUs / 1000);

void describe("the records of readings", () => {
  void it("are one each, as RECORDS.md shows them", () => {
    const [record, ...more] = recordsFor([readingsOutcome(counted("temperature"), { first: 41 })]);
    assert.ok(record !== undefined && more.length === 0);
    const key = Buffer.from("pump-17/temperature");
    assert.deepEqual([record.topic, record.partition, record.key], ["readings", partitionOf(key, 12), key]);
    assert.equal(record.timestampMs, startMs);
    assert.deepEqual(headersOf(record), { ...named, seq: "41", ...chains });
    const value = JSON.parse(textOf(record));
    assert.ok(schema.Check(value));
    const written = { kind: "reading", ...lane, seq: 41, time: "2026-01-02T03:04:05.678901Z", timeUs: startUs };
    assert.deepEqual(value, { ...written, name: "temperature", value: 1, clock: "synced" });
  });

  void it("of one series share a partition and keep their order", () => {
    const names = ["a", "b", "c", "a", "b", "c"];
    const records = recordsFor([readingsOutcome(counted(...names)), readingsOutcome(counted(...names), { first: 7 })]);
    assert.deepEqual(
      records.map((record) => headersOf(record).seq),
      Array.from({ length: 12 }, (_, at) => String(at + 1)),
    );
    for (const name of ["a", "b", "c"]) {
      const own = records.filter((record) => JSON.parse(textOf(record)).name === name);
      assert.equal(own.length, 4);
      assert.deepEqual(new Set(own.map(({ partition }) => partition)).size, 1);
    }
  });

  void it("go to the topics of their series, all of which topicsOf names", () => {
    const outcomes = [
      readingsOutcome(counted("cpu.load", "plant/line_3", "cpu.load")),
      lossOutcome(4, 2, [{ first: 4, last: 5 }], { reason: "quota", fromUs: null, toUs: null }),
    ];
    const options = recordOptions({ topics: topicNames("site.{agent}.{series}", []), partitionsOf: (t) => t.length });
    const records = [...recordsOf(outcomes, options, writing)];
    assert.deepEqual(
      records.map(({ topic }) => topic),
      ["site.pump-17.cpu.load", "site.pump-17.plant--2fline--5f3", "site.pump-17.cpu.load", "losses"],
    );
    const needed = topicsOf(outcomes, options);
    for (const { topic, partition, key } of records) {
      assert.ok(needed.has(topic) && isOwnTopic(topic, options));
      assert.equal(partition, partitionOf(key as Buffer, topic.length));
    }
    assert.ok(needed.has("dead-letters"), "any block can be a dead letter");
    assert.equal(isOwnTopic("site.other", options), false);
  });

  void it("carry the chains at the ends of what the block fills, and show its seams where these are unknown", () => {
    const edges = (spans: readonly { first: number; last: number }[], block = {}) =>
      recordsFor([readingsOutcome(counted("a", "b", "c", "d", "e"), { spans, block })]).map((record) => {
        const { seq, before, after } = headersOf(record);
        return [seq, before, after];
      });
    const { before, after } = chains;
    const whole = [{ first: 1, last: 5 }];
    const none = undefined;
    const inside = ["2", "3", "4"].map((seq) => [seq, none, none]);
    assert.deepEqual(edges(whole), [["1", before, none], ...inside, ["5", none, after]]);
    assert.deepEqual(edges(whole, { before: null, after: null }), [["1", "", none], ...inside, ["5", none, ""]]);
    const parts = [
      { first: 1, last: 1 },
      { first: 3, last: 4 },
    ];
    assert.deepEqual(edges(parts), [
      ["1", before, ""],
      ["3", "", none],
      ["4", none, ""],
    ]);
  });

  void it("are dated by the reading, within what a broker and its client take, or by their arrival", () => {
    const at = (timeUs: number, timestamp: "reading" | "arrival" = "reading") =>
      recordsFor([readingsOutcome([{ name: "a", timeUs, value: 1 }])], { timestamp })[0]?.timestampMs;
    assert.equal(at(startUs), startMs);
    assert.equal(at(startUs, "arrival"), null);
    assert.equal(at(startUs + 9 * 60_000_000), startMs + 9 * 60_000);
    assert.equal(at(startUs + 11 * 60_000_000), null);
    assert.equal(at(0), 1);
  });

  void it("say that they are historical or repeated where it is true", () => {
    const clocks = ["synced", "corrected", "unsynced"] as const;
    const marks = (agoMs: number, quality: (typeof clocks)[number]) => {
      const readings = [{ name: "a", timeUs: startUs - agoMs * 1000, value: 1 }];
      const clock = { segment: 1, offsetUs: 0, quality };
      const [record] = recordsFor([readingsOutcome(readings, { clock, block: { repeated: true } })]);
      assert.ok(record !== undefined);
      const { historical, repeated, clock: header } = headersOf(record);
      assert.deepEqual([header ?? "synced", repeated], [quality, "true"]);
      assert.equal(header === undefined, quality === "synced");
      return historical;
    };
    assert.deepEqual(
      clocks.map((clock) => marks(59_999, clock)),
      [undefined, undefined, undefined],
    );
    assert.deepEqual(
      clocks.map((clock) => marks(60_001, clock)),
      ["true", "true", undefined],
    );
  });

  void it("that are too large become dead letters, and the rest goes on", () => {
    const readings = counted("a", "b", "c", "d", "e", "f").map((reading, at) => {
      return [1, 2, 5].includes(at) ? { ...reading, value: `${at}`.repeat(3_000) } : reading;
    });
    const outcome = readingsOutcome(readings, { first: 11 });
    const records = recordsFor([outcome], { recordBytesMax: 3_000 });
    assert.deepEqual(
      records.map(({ topic }) => topic),
      ["readings", "dead-letters", "readings", "readings", "dead-letters"],
    );
    const [, letter, , , lastLetter] = records.map(headersOf);
    const reason = "a record takes more than 3000 bytes";
    const shared = { ...named, kind: "dead-letter", reason };
    assert.deepEqual(letter, { ...shared, first: "12", last: "13" });
    assert.deepEqual(lastLetter, { ...shared, first: "16", last: "16", after: chains.after });
    const value = decodeBatch(records[1]?.value as Uint8Array);
    assert.deepEqual([value.first, value.last, value.block.first], [12, 13, 11]);
    assert.deepEqual(value.block.bytes, Buffer.from(outcome.block.bytes));
  });

  void it("hold nothing but what a reading can hold: anything else is refused", () => {
    const outcome = readingsOutcome(counted("a"));
    assert.ok(outcome.body.kind === "readings");
    const columns = { ...outcome.body.columns, values: [Number.NaN] };
    for (const format of ["json", "senml", "cbor"] as const) {
      const call = () => recordsFor([{ ...outcome, body: { ...outcome.body, columns } } as never], { format });
      assert.throws(call, { name: "Fault", code: "bad-input" }, format);
    }
  });
});

void describe("other records", () => {
  void it("of losses are one for each span, in JSON whatever the format, dated by their arrival", () => {
    const loss = { reason: "quota", fromUs: startUs, toUs: null } as const;
    const spans = [
      { first: 1, last: 3 },
      { first: 9, last: 10 },
    ];
    for (const format of ["json", "senml", "cbor", "batch"] as const) {
      const records = recordsFor([lossOutcome(1, 10, spans, loss)], { format });
      assert.deepEqual(records.map(headersOf), [
        { ...named, kind: "loss", first: "1", last: "3", before: chains.before, after: "" },
        { ...named, kind: "loss", first: "9", last: "10", before: "", after: chains.after },
      ]);
      for (const record of records) {
        assert.deepEqual([record.topic, record.key, record.timestampMs], ["losses", Buffer.from("pump-17"), null]);
        assert.ok(schema.Check(JSON.parse(textOf(record))));
      }
      assert.equal(JSON.parse(textOf(records[1] as never)).firstSeq, 9);
    }
    const topics = topicNames("site.{agent}", []);
    const [beside] = recordsFor([lossOutcome(1, 10, spans, loss)], { lossTopic: null, topics });
    assert.equal(beside?.topic, "site.pump-17");
    assert.ok(isOwnTopic("site.pump-17", recordOptions({ lossTopic: null, topics })));
  });

  void it("of dead letters hold the block, whatever the reason says", () => {
    const outcome = readingsOutcome(counted("a", "b", "c"), { first: 5, block: { repeated: true } });
    const reason = `\0 ${"é".repeat(1_000)}`;
    const [record] = recordsFor([deadOutcome(outcome, reason, [{ first: 6, last: 7 }])]);
    assert.ok(record !== undefined);
    const { reason: told, ...headers } = headersOf(record);
    const end = { before: "", after: chains.after };
    assert.deepEqual(headers, { ...named, kind: "dead-letter", first: "6", last: "7", ...end, repeated: "true" });
    assert.ok(told?.startsWith("\ufffd éé") && told.length === 500);
    assert.deepEqual([record.topic, record.timestampMs], ["dead-letters", null]);
    const { block, ...value } = decodeBatch(record.value as Uint8Array);
    assert.deepEqual([value.lane, value.first, value.last, block.crc], [lane, 6, 7, outcome.block.crc]);
  });

  void it("of the batch format are one for each span, dated by the latest reading in it", () => {
    const outcome = readingsOutcome(counted("a", "b", "a", "b"), {
      spans: [
        { first: 1, last: 2 },
        { first: 4, last: 4 },
      ],
    });
    const [one, other, ...more] = recordsFor([outcome], { format: "batch" });
    assert.ok(one !== undefined && other !== undefined && more.length === 0);
    const shared = { ...named, kind: "batch" };
    assert.deepEqual(headersOf(one), { ...shared, first: "1", last: "2", before: chains.before, after: "" });
    assert.deepEqual(headersOf(other), { ...shared, first: "4", last: "4", before: "", after: chains.after });
    assert.deepEqual([one.timestampMs, other.timestampMs], [startMs + 1_000, startMs + 3_000]);
    assert.deepEqual([one.topic, one.key], ["readings", Buffer.from("pump-17/telemetry")]);
    const [letter] = recordsFor([outcome], { format: "batch", recordBytesMax: 1_100 });
    assert.deepEqual([letter?.topic, letter?.key], ["dead-letters", one.key]);
  });

  void it("of a replay say which dead letter they replay", () => {
    const outcomes = [readingsOutcome(counted("a")), deadOutcome(readingsOutcome(counted("b"), { first: 2 }), "still")];
    for (const format of ["json", "batch"] as const) {
      const records = [...recordsOf(outcomes, recordOptions({ format }), { ...writing, replay: "7/1" })];
      assert.deepEqual(
        records.map((record) => headersOf(record).replay),
        ["7/1", "7/1"],
      );
    }
  });
});
