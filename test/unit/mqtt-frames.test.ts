import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { frameFault, packetType, publishBytesMax, scanFrames } from "../../shared/frames.ts";

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly body: string;
}

const frame = fc.record({
  type: fc.integer({ min: 1, max: 15 }),
  flags: fc.integer({ min: 0, max: 15 }),
  body: fc.oneof(fc.string({ maxLength: 5 }), fc.string({ minLength: 120, maxLength: 300 })),
});

function encode({ type, flags, body }: Frame): Buffer {
  const bytes = Buffer.from(body);
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  return Buffer.concat([Buffer.of((type << 4) | flags, ...length), bytes]);
}

describe("scanFrames (I8)", () => {
  it("finds the same packets however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (frames, cuts) => {
          const stream = Buffer.concat(frames.map(encode));
          const found: number[][] = [];
          const scan = scanFrames((...header) => void found.push(header));
          for (let at = 0, cut = 0; at < stream.length; cut++) {
            const size = cuts[cut % cuts.length] as number;
            assert.equal(scan(stream.subarray(at, at + size)), undefined);
            at += size;
          }
          assert.deepEqual(
            found,
            frames.map(({ type, flags, body }) => [type, flags, Buffer.byteLength(body)]),
          );
        },
      ),
    );
  });

  it("refuses a packet as soon as its length is known, before any of its body", () => {
    const scan = scanFrames((_, __, length) => (length > 1000 ? "too large" : undefined));
    assert.equal(scan(Buffer.of(0x30, 0xff, 0xff)), undefined);
    assert.equal(scan(Buffer.of(0x7f)), "too large");
  });

  it("refuses a length of five bytes", () => {
    const scan = scanFrames(() => undefined);
    assert.equal(scan(Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80)), "the length of an MQTT packet is malformed");
  });
});

describe("frameFault", () => {
  const types = [packetType.publish, packetType.subscribe];
  const cases: [string, number, number, number, RegExp | undefined][] = [
    ["the largest message passes", packetType.publish, 0b0010, publishBytesMax, undefined],
    ["one byte more does not", packetType.publish, 0b0010, publishBytesMax + 1, /too large/],
    ["a repeated message passes", packetType.publish, 0b1010, 10, undefined],
    ["a retained message does not", packetType.publish, 0b0011, 10, /retained/],
    ["QoS 2 does not", packetType.publish, 0b0100, 10, /QoS 2/],
    ["QoS 3 does not", packetType.publish, 0b0110, 10, /QoS 2/],
    ["a control packet of 512 bytes passes", packetType.subscribe, 0b0010, 512, undefined],
    ["one byte more does not pass", packetType.subscribe, 0b0010, 513, /too large/],
    ["another type does not", packetType.connect, 0, 10, /not allowed/],
  ];
  for (const [name, type, flags, bytes, fault] of cases) {
    it(name, () => {
      const found = frameFault(types, type, flags, bytes);
      if (fault === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "", fault);
    });
  }
});
