/** Blocks with real readings in them, and what a queue says of their seqs. */
import assert from "node:assert/strict";
import type { Lane, Outcome } from "../../gateway/queue/queue.ts";
import type { Block } from "../../shared/block/block.ts";
import { encodeBlocks } from "../../shared/block/encode.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import type { AgentLane } from "./agent-lane.ts";

/** The next block of a lane, with real readings in it: seq n has the value n. */
export function readings(lane: AgentLane, count: number): Block {
  const first = lane.newest() + 1;
  const rows = Array.from({ length: count }, (_, at) => ({ name: "level", timeUs: 1e15 + at, value: first + at }));
  const [encoded, ...more] = encodeBlocks(gatherColumns(rows));
  assert.ok(encoded !== undefined && more.length === 0);
  return { ...lane.block(count, encoded.bytes, encoded.codec), rawBytes: encoded.rawBytes };
}

/** Every seq of a lane with what became of it, in the order of the queue: the audit's view. */
export function seqsOf(outcomes: readonly Outcome[], lane: Lane): [number, number | string][] {
  return outcomes
    .filter((outcome) => outcome.lane.epoch === lane.epoch)
    .flatMap(({ spans, body }) =>
      spans.flatMap(({ first, last }) =>
        Array.from({ length: last - first + 1 }, (_, at): [number, number | string] => {
          if (body.kind !== "readings") return [first + at, body.kind];
          return [first + at, body.columns.values[first + at - body.first] as number];
        }),
      ),
    );
}

export function eachOnce(outcomes: readonly Outcome[], lane: AgentLane): void {
  const found = seqsOf(outcomes, lane.lane);
  assert.deepEqual(
    found.map(([seq]) => seq).sort((a, b) => a - b),
    Array.from({ length: lane.newest() }, (_, at) => at + 1),
  );
  for (const [seq, value] of found) if (typeof value === "number") assert.equal(value, seq);
}
