import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { publishHead } from "../../agent/uplink/publish.ts";
import { scanFrames } from "../../shared/frames.ts";
import { batchBytesMax } from "../../shared/limits.ts";

const lengths = fc.oneof(
  fc.integer({ min: 0, max: batchBytesMax }),
  fc.constantFrom(127, 128, 16_383, 16_384).chain((edge) => fc.integer({ min: edge - 30, max: edge })),
);

test("a head and its payload are one PUBLISH at QoS 0, whatever their length", () => {
  fc.assert(
    fc.property(lengths, fc.stringMatching(/^[a-z/]{1,200}$/), (payloadBytes, topic) => {
      const head = Buffer.from(publishHead(topic, payloadBytes));
      const found: number[][] = [];
      const scan = scanFrames((...frame) => void found.push(frame));
      scan(Buffer.concat([head, Buffer.alloc(payloadBytes), Buffer.of(0xe0, 0)]));
      assert.deepEqual(found, [
        [3, 0, 2 + topic.length + payloadBytes],
        [14, 0, 0],
      ]);
      const at = head.length - topic.length;
      assert.deepEqual([head.readUInt16BE(at - 2), head.toString("latin1", at)], [topic.length, topic]);
    }),
  );
});
