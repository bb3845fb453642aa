import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { scanFrames } from "../../shared/frames.ts";
import { batchBytesMax } from "../../shared/limits.ts";
import { writePublish } from "../../shared/publish.ts";

const lengths = fc.oneof(
  fc.integer({ min: 0, max: batchBytesMax }),
  fc.constantFrom(127, 128, 16_383, 16_384).chain((edge) => fc.integer({ min: edge - 30, max: edge })),
);

/** What one message is on the wire, in the pieces in which a stream is given it. */
function written(topic: string, payload: Uint8Array): Buffer[] {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    writev(chunks, done) {
      pieces.push(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)));
      done();
    },
  });
  writePublish(stream, topic, payload, () => undefined);
  return pieces;
}

test("a message is one PUBLISH at QoS 0 in one piece, whatever its length", () => {
  fc.assert(
    fc.property(lengths, fc.stringMatching(/^[a-z/]{1,200}$/), (payloadBytes, topic) => {
      const payload = new Uint8Array(payloadBytes).fill(7);
      const [bytes = Buffer.of(), ...rest] = written(topic, payload);
      assert.deepEqual(rest, []);
      const found: number[][] = [];
      const scan = scanFrames((...frame) => void found.push(frame));
      scan(Buffer.concat([bytes, Buffer.of(0xe0, 0)]));
      assert.deepEqual(found, [
        [3, 0, 2 + topic.length + payloadBytes],
        [14, 0, 0],
      ]);
      const payloadAt = bytes.length - payloadBytes;
      const at = payloadAt - topic.length;
      assert.deepEqual([bytes.readUInt16BE(at - 2), bytes.toString("latin1", at, payloadAt)], [topic.length, topic]);
      assert.equal(Buffer.compare(bytes.subarray(payloadAt), payload), 0);
    }),
  );
});
