/** The names that were read on a standby: exact, and bounded by what is not released. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { seenNames } from "../../gateway/queue/kafka/mirror/seen-names.ts";
import { laneText, replayText } from "../../gateway/queue/kafka/records/position-records.ts";
import { merged } from "../../shared/ranges.ts";
import { laneOf } from "../fakes/outcomes.ts";

const lane = laneOf("pump-17");

void describe("names that were seen", () => {
  const head = { namespace: "n", shard: 0, t: 1, kind: "reading", lane, replay: null } as const;
  const edges = { before: null, after: null, opens: false, closes: false };
  const key = laneText(lane);
  const spans = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 9_000 }), fc.integer({ min: 0, max: 200 })).map(([first, length]) => ({
      first,
      last: first + length,
    })),
    { maxLength: 20 },
  );
  const rangesOf = (all: readonly { first: number; last: number }[]) =>
    merged(all).map((span) => ({ ...span, before: null, after: null }));

  void it("hold exactly what was noted and is not released, and forget what is (I8)", () => {
    fc.assert(
      fc.property(spans, spans, spans, (noted, released, asked) => {
        const names = seenNames();
        names.release([{ key, ranges: rangesOf(released) }]);
        for (const span of noted) names.note({ ...head, ...edges, ...span });
        const known = new Set([...noted, ...released].flatMap(({ first, last }) => seqs(first, last)));
        const wanted = rangesOf(asked);
        const expected = wanted.every(({ first, last }) => seqs(first, last).every((seq) => known.has(seq)));
        assert.equal(names.holds([{ key, ranges: wanted }]), expected);
        names.release([{ key, ranges: rangesOf([...noted, ...released]) }]);
        assert.equal(names.chunks(), 0);
      }),
      { numRuns: 100 },
    );
  });

  void it("tell what was read twice, and hold long losses without a bit for each seq", () => {
    const names = seenNames();
    assert.equal(names.note({ ...head, ...edges, first: 1, last: 3 }), 0);
    assert.equal(names.note({ ...head, ...edges, first: 3, last: 5 }), 1);
    names.note({ ...head, ...edges, kind: "loss", first: 10, last: 2 ** 40 });
    assert.ok(names.holds([{ key, ranges: rangesOf([{ first: 10, last: 2 ** 40 }]) }]));
    assert.equal(names.chunks(), 1);
  });

  void it("keep a replay apart from what its lane has", () => {
    const names = seenNames();
    const replay = "pump-17/telemetry/0123456789abcdef/1-2";
    const claim = { key: replayText(replay), ranges: rangesOf([{ first: 1, last: 2 }]) };
    names.note({ ...head, ...edges, kind: "dead-letter", first: 1, last: 2 });
    assert.ok(!names.holds([claim]));
    assert.equal(names.note({ ...head, ...edges, replay, first: 1, last: 1 }), 0);
    assert.ok(!names.holds([claim]));
    names.note({ ...head, ...edges, replay, first: 2, last: 2 });
    assert.ok(names.holds([claim]));
  });
});

function seqs(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}
