import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { KafkaRecord } from "../../gateway/queue/kafka/cluster.ts";
import { edgeHeaders, laneHeaders, nameReader, partHeaders } from "../../gateway/queue/kafka/records/record-names.ts";
import { recordsOf } from "../../gateway/queue/kafka/records/records.ts";
import { seqMax } from "../../shared/limits.ts";
import { chains, counted, lane, readingsOutcome, recordOptions, recordsFor, writing } from "../fakes/kafka-records.ts";
import { blockOf } from "../fakes/outcomes.ts";

type Headers = KafkaRecord["headers"];

/** As a consumer gets them: the values are bytes. */
const received = (headers: Headers): Headers => headers.map(([name, value]) => [name, Buffer.from(value)]);

const good: Headers = [...laneHeaders({ namespace: "holdfast", shard: 3, t: 81_723 }, lane), ["seq", "41"]];
const written = { namespace: "holdfast", shard: 3, t: 81_723, lane };
const inside = { before: null, after: null, opens: false, closes: false, replay: null };
const reading = { ...written, kind: "reading", first: 41, last: 41, ...inside };

/** The good headers with some others, or without some where the value is null. */
function changed(change: Readonly<Record<string, string | null>>): Headers {
  const kept = good.filter(([name]) => change[name] === undefined);
  const added = Object.entries(change).filter((entry): entry is [string, string] => entry[1] !== null);
  return received([...kept, ...added]);
}

void describe("names of records", () => {
  void it("are read back from the headers of a reading", () => {
    const nameOf = nameReader();
    assert.deepEqual(nameOf(received(good)), reading);
    assert.deepEqual(nameOf(good), reading);
    assert.deepEqual(nameOf([...received(good), ["traceparent", Buffer.alloc(999)]]), reading);
    const edge = changed({ before: chains.before, after: "" });
    assert.deepEqual(nameOf(edge), { ...reading, before: chains.before, opens: true, closes: true });
    assert.deepEqual(nameOf(changed({ replay: "7/1" })), { ...reading, replay: "7/1" });
  });

  void it("I5: name each seq of all outcomes once, with the chains and seams of its block", () => {
    const lanes = fc
      .tuple(
        fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/),
        fc.constantFrom("telemetry", "log"),
        fc.stringMatching(/^[0-9a-f]{16}$/),
      )
      .map(([agent, stream, epoch]) => ({ agent, stream, epoch }));
    const chain = fc.option(fc.stringMatching(/^[0-9a-f]{16}$/));
    const outcome = fc
      .record({
        lane: lanes,
        first: fc.oneof(fc.integer({ min: 1, max: 99 }), fc.constant(seqMax - 20)),
        starts: fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1 }),
        kind: fc.constantFrom("readings", "loss", "dead-letter"),
        before: chain,
        after: chain,
      })
      .map(({ lane, first, starts, kind, before, after }) => {
        // The seqs that are chosen, as spans of neighbours.
        const seqs = [...starts].sort((a, b) => a - b).map((at) => first + at);
        const spans = seqs.flatMap((seq) => (seqs.includes(seq - 1) ? [] : [{ first: seq, last: endOf(seqs, seq) }]));
        const made = readingsOutcome(counted(..."abcdefghij"), { first, spans, block: { before, after } });
        const loss = { reason: "quota", fromUs: null, toUs: null } as const;
        const clock = { segment: 1, offsetUs: 0, quality: "synced" } as const;
        if (kind === "loss") return { ...made, lane, body: { kind, loss } };
        if (kind === "dead-letter") return { ...made, lane, body: { kind, reason: "x", clock, ...made.block } };
        return { ...made, lane };
      });
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 4 }), fc.constantFrom("json", "batch"), (outcomes, format) => {
        const nameOf = nameReader();
        const options = recordOptions({ format: format as "json" });
        const names = [...recordsOf(outcomes as never, options, writing)].map(({ headers }) => {
          const name = nameOf(received(headers));
          assert.ok(name !== undefined && name !== "foreign");
          return name;
        });
        const expected = outcomes.flatMap(({ lane, spans, block }) =>
          spans.flatMap(({ first, last }) =>
            Array.from({ length: last - first + 1 }, (_, at) => ({
              ...{ lane, seq: first + at, t: writing.t },
              before: at === 0 ? (first === block.first ? block.before : null) : undefined,
              after: first + at === last ? (last === block.first + 9 ? block.after : null) : undefined,
            })),
          ),
        );
        const found = names.flatMap((name) =>
          Array.from({ length: name.last - name.first + 1 }, (_, at) => ({
            ...{ lane: name.lane, seq: name.first + at, t: name.t },
            before: at === 0 && name.opens ? name.before : undefined,
            after: name.first + at === name.last && name.closes ? name.after : undefined,
          })),
        );
        assert.deepEqual(found, expected);
      }),
      { numRuns: 100 },
    );
  });

  void it("of lanes that take turns are not mixed up", () => {
    const nameOf = nameReader();
    const other = { ...lane, epoch: "f".repeat(16) };
    for (let turn = 0; turn < 6; turn++) {
      const own = turn % 2 === 0 ? lane : other;
      const t = 81_723 + (turn >> 1);
      const headers: Headers = [...laneHeaders({ namespace: "holdfast", shard: 3, t }, own), ["seq", String(turn + 1)]];
      const expected = { ...reading, lane: own, t, first: turn + 1, last: turn + 1 };
      assert.deepEqual(nameOf(received(headers)), expected);
    }
  });

  void it("of somebody else's records are foreign", () => {
    const nameOf = nameReader();
    assert.equal(nameOf([]), "foreign");
    assert.equal(
      nameOf(
        received([
          ["agent", "pump-17"],
          ["seq", "1"],
          ["", ""],
        ]),
      ),
      "foreign",
    );
    assert.equal(nameOf(received([["Holdfast", "holdfast/3/81723"]])), "foreign");
  });

  void it("that cannot be read are neither foreign nor guessed", () => {
    const nameOf = nameReader();
    const broken: Readonly<Record<string, string | null>>[] = [
      ...["", "holdfast", "holdfast/3", "holdfast/3/", "holdfast//1", "/3/1", "a/3/1/2", "a b/3/1"].map((holdfast) => ({
        holdfast,
      })),
      ...["a/-3/1", "a/3/1e3", "a/3/ 1", "a/3/99999999999999999", "a/3/9007199254740992"].map((holdfast) => ({
        holdfast,
      })),
      ...["agent", "stream", "epoch", "seq"].flatMap((name) => [{ [name]: null }, { [name]: "" }, { [name]: "é" }]),
      ...["Pump", "-a", "a/b", "a".repeat(65)].flatMap((name) => [{ agent: name }, { stream: name }]),
      ...["0123456789abcde", "0123456789abcdeF", "0123456789abcdef0"].map((epoch) => ({ epoch })),
      ...["0", "-1", "1.5", "1e3", "0x1", " 1", "9007199254740992", "1".repeat(17)].map((seq) => ({ seq })),
      ...["0123456789abcde", "g".repeat(16), "a".repeat(129)].flatMap((chain) => [{ before: chain }, { after: chain }]),
      ...["", "reading", "batches", "Loss"].map((kind) => ({ kind, seq: null, first: "1", last: "2" })),
      { kind: "loss" },
      { kind: "loss", seq: null, first: "2", last: "1" },
      { kind: "loss", seq: null, first: "2" },
      { seq: null, first: "1", last: "1" },
    ];
    for (const change of broken) assert.equal(nameOf(changed(change)), undefined, JSON.stringify(change));
    for (const [name] of good) {
      const twice = received([...good, ...good.filter((header) => header[0] === name)]);
      assert.equal(nameOf(twice), undefined, `${name} twice`);
    }
    // What went before leaves no trace.
    assert.deepEqual(nameOf(received(good)), reading);
  });

  void it("of any junk throw nothing and are within bounds", () => {
    const nameOf = nameReader();
    const own = ["holdfast", "agent", "stream", "epoch", "kind", "seq", "first", "last", "before", "after", "replay"];
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 250 }),
      fc
        .constantFrom("1", "7", "holdfast/3/1", "pump-17", "0123456789abcdef", "loss", "")
        .map((text) => Buffer.from(text)),
    );
    const headers = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...own, "__proto__"), fc.string()), junk));
    fc.assert(
      fc.property(headers, (headers) => {
        const name = nameOf(headers);
        if (name === "foreign" || name === undefined) return;
        assert.ok(Number.isSafeInteger(name.first) && name.first >= 1 && Number.isSafeInteger(name.last));
        assert.match(name.lane.agent, /^[a-z0-9][a-z0-9_-]{0,63}$/);
        assert.ok((name.replay ?? "").length <= 192);
      }),
      { numRuns: 2_000 },
    );
  });

  void it("of a loss tell its whole span at once, however long it is", () => {
    const span = { first: 1, last: 2 ** 40 };
    const block = { ...blockOf(1, 2 ** 40), ...chains };
    const [writer, ...rest] = good.slice(0, 4);
    const headers = [
      writer as Headers[number],
      ...rest,
      ...partHeaders("loss", span),
      ...edgeHeaders(block, span, span),
    ];
    const ends = { ...chains, opens: true, closes: true };
    assert.deepEqual(nameReader()(received(headers)), { ...reading, kind: "loss", ...span, ...ends });
    assert.equal(recordsFor([readingsOutcome(counted("a"))])[0]?.headers.length, 7);
  });
});

function endOf(seqs: readonly number[], first: number): number {
  let last = first;
  while (seqs.includes(last + 1)) last++;
  return last;
}
