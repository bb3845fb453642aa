import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as packets from "../../agent/uplink/packets.ts";
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
          const found: Frame[] = [];
          const headers: number[] = [];
          const scan = scanFrames(
            (type, _, length) => void headers.push(type, length),
            (type, flags, body) => found.push({ type, flags, body: Buffer.from(body).toString() }),
          );
          for (let at = 0, cut = 0; at < stream.length; cut++) {
            const size = cuts[cut % cuts.length] as number;
            assert.equal(scan(stream.subarray(at, at + size)), undefined);
            at += size;
          }
          assert.deepEqual(
            found,
            frames.map((each) => ({ ...each })),
          );
          assert.deepEqual(
            headers,
            frames.flatMap(({ type, body }) => [type, Buffer.byteLength(body)]),
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
    ["a control packet of 4 kB passes", packetType.subscribe, 0b0010, 4096, undefined],
    ["one byte more does not pass", packetType.subscribe, 0b0010, 4097, /too large/],
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

describe("the agent's MQTT packets", () => {
  const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

  it("are byte for byte what MQTT 3.1.1 says", () => {
    const connect = { clientId: "a.1", username: "a", password: "pw", keepAliveSeconds: 600 };
    assert.equal(hexOf(packets.connectPacket(connect)), "101600044d51545404c202580003612e31000161000270" + "77");
    assert.equal(hexOf(packets.subscribePacket(258, "a/b")), "820801020003612f6201");
    assert.equal(hexOf(packets.publishHead(3, "a/b", 512 * 1024)), "328780200003612f620003");
    assert.equal(hexOf(packets.pubackPacket(65_535)), "4002ffff");
    assert.deepEqual([hexOf(packets.pingreqPacket), hexOf(packets.disconnectPacket)], ["c000", "e000"]);
  });

  it("that arrive are read, or called malformed, and never throw", () => {
    const publish = packets.readPacket(3, 0b0010, Buffer.from("0003612f620007ff", "hex"));
    assert.deepEqual(publish, { type: "publish", topic: "a/b", id: 7, payload: Buffer.of(0xff) });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 15 }),
        fc.integer({ min: 0, max: 15 }),
        fc.uint8Array({ maxLength: 12 }),
        (type, flags, body) => {
          const packet = packets.readPacket(type, flags, body);
          assert.ok(packet === undefined || packet.type !== "publish" || packet.payload.length <= body.length - 2);
        },
      ),
    );
  });
});
