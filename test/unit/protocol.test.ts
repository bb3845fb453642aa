import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { encodeCbor } from "../../shared/cbor.ts";
import { Fault } from "../../shared/errors.ts";
import * as limits from "../../shared/limits.ts";
import { decodeMessage, encodeMessage, nonceOf } from "../../shared/protocol/codec.ts";
import { protocolVersion } from "../../shared/protocol/messages.ts";
import { agentLane, helloOf, nonce } from "../fakes/agent-lane.ts";
import { anyMessage } from "../fakes/messages.ts";
import { exampleMessages } from "../vectors/protocol-messages.ts";

const cddlPath = new URL("../../shared/protocol/protocol.cddl", import.meta.url);
const vectorsPath = new URL("../vectors/protocol.json", import.meta.url);

/** A refusal is a Fault `protocol` or `too-large`; anything else thrown is a defect that a peer could trigger. */
function refuses(bytes: Uint8Array): boolean {
  try {
    decodeMessage(bytes);
    return false;
  } catch (error) {
    assert.ok(error instanceof Fault && ["protocol", "too-large"].includes(error.code), String(error));
    return true;
  }
}

test("every message comes back from the wire as it went", () => {
  fc.assert(
    fc.property(anyMessage, (message) => {
      const found = decodeMessage(encodeMessage(message));
      assert.deepEqual(plain(found), plain(message));
    }),
    { numRuns: 500, seed: 1 },
  );
});

/** Byte views compare by content, whatever buffer they lie in. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (value instanceof Map) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

test("I8: random bytes, truncations and bit flips are read or refused, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void refuses(bytes)),
    { numRuns: 1000, seed: 1 },
  );
  fc.assert(
    fc.property(anyMessage, fc.nat(), fc.nat(7), (message, at, bit) => {
      const bytes = Uint8Array.from(encodeMessage(message));
      assert.ok(refuses(bytes.subarray(0, at % bytes.length)), "a truncated message was read");
      const index = at % bytes.length;
      bytes[index] = (bytes[index] as number) ^ (1 << bit);
      refuses(bytes);
      void nonceOf(bytes);
    }),
    { numRuns: 1000, seed: 1 },
  );
});

test("I8: what would cost memory or time is refused before it is parsed", () => {
  const tagged = Buffer.concat([Buffer.from([0x82, 0x01, 0xc2, 0x5a, 0, 3, 0, 0]), Buffer.alloc(3 * 65536, 0xff)]);
  const deep = Buffer.concat([Buffer.alloc(100_000, 0x81), Buffer.from([0x01])]);
  const wide = Buffer.concat([Buffer.from([0x9a, 0, 1, 0, 0]), Buffer.alloc(65536)]);
  const endless = Buffer.from([0x9f, 0x01, 0xff]);
  const lying = Buffer.from([0x9b, 0, 0, 0, 0xff, 0, 0, 0, 0]);
  const map = Buffer.from([0xa1, 0x01, 0x02]);
  for (const bytes of [tagged, deep, wide, endless, lying, map, new Uint8Array(0)]) assert.ok(refuses(bytes));
  assert.throws(() => decodeMessage(new Uint8Array(limits.batchBytesMax + 1)), { code: "too-large" });
});

test("I8: lists beyond the limits are refused: ranges, ASK entries, blocks, given-up epochs", () => {
  const lane = agentLane();
  const entries = Array.from({ length: limits.askEntriesMax + 1 }, () => lane.ask());
  const block = lane.block(1);
  const blocks = Array.from({ length: limits.batchBlocksMax + 1 }, () => block);
  const range = (at: number) => ({ first: 2 * at + 1, last: 2 * at + 1, before: null, after: null });
  const journaled = Array.from({ length: 10_000 }, (_, at) => range(at)).slice(0, limits.rangesMax + 1);
  const { groupId, type, ...batch } = lane.batch(blocks);
  const givenUp = Array.from({ length: limits.givenUpMax + 1 }, () => lane.lane.epoch);
  assert.equal(type, "batch");
  const position = { journalId: groupId, version: 1, stream: "log", epoch: lane.lane.epoch, journaled, forwarded: [] };
  assert.ok(refuses(encodeMessage({ type: "ask", nonce, groupId, entries })));
  assert.ok(refuses(encodeMessage({ ...batch, type: "batch", groupId })));
  assert.ok(refuses(encodeMessage({ ...position, type: "position", nonce, groupId })));
  assert.ok(refuses(encodeMessage({ ...helloOf(lane), open: { ...lane.record, givenUp } })));
});

test("the nonce of a message that cannot be read otherwise is found where it stands", () => {
  assert.equal(nonceOf(encodeCbor([4, Buffer.from(nonce, "hex"), "nonsense"])), nonce);
  assert.equal(nonceOf(encodeCbor([4, "short"])), undefined);
  assert.equal(nonceOf(Buffer.from([0xff])), undefined);
});

test("the byte-exact vectors hold in both directions", () => {
  const vectors = JSON.parse(readFileSync(vectorsPath, "utf8")) as Record<string, string>;
  assert.deepEqual(Object.keys(vectors), Object.keys(exampleMessages));
  for (const [name, message] of Object.entries(exampleMessages)) {
    assert.equal(Buffer.from(encodeMessage(message)).toString("hex"), vectors[name], name);
    assert.deepEqual(plain(decodeMessage(Buffer.from(vectors[name] as string, "hex"))), plain(message), name);
  }
});

test("grammar and vectors change only together with a decision about the protocol version", () => {
  const digest = createHash("sha256").update(readFileSync(cddlPath)).update(readFileSync(vectorsPath)).digest("hex");
  // Whoever changes the wire: may an older peer meet the new form? Then raise protocolVersion; then pin both again.
  assert.deepEqual(
    { protocolVersion, digest },
    { protocolVersion: 1, digest: "d7fb1b67fa10d7644f215139dcd8e779e391f0d41559ace1c7fea7f6e237c040" },
  );
});

test("a clock that is hours ahead travels exactly: large negative offsets", () => {
  const lane = agentLane();
  const batch = lane.batch([lane.block(1)]);
  for (const offsetUs of [-1, -(2 ** 31), -(2 ** 31) - 1, -3_600_000_000, -limits.timeUsMax, limits.timeUsMax]) {
    const found = decodeMessage(encodeMessage({ ...batch, clock: { segment: 1, offsetUs, quality: "corrected" } }));
    assert.ok(found.type === "batch");
    assert.equal(found.clock.offsetUs, offsetUs);
  }
});
