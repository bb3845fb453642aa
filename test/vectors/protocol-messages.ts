/** One example of each message, and of each optional part: what protocol.json holds the bytes of. */
import { lossBlock } from "../../shared/block/loss.ts";
import type { Message } from "../../shared/protocol/messages.ts";

const nonce = "0102030405060708";
const groupId = "a0".repeat(16);
const journalId = "b1".repeat(16);
const storeId = "c2".repeat(16);
const epoch = "1112131415161718";
const before = "2122232425262728";

const record = {
  epoch,
  storeId,
  run: 7,
  predecessor: {
    epoch: before,
    lastSeqs: new Map([
      ["alarm", 0],
      ["telemetry", 5_000_000_000],
    ]),
  },
  givenUp: ["3132333435363738"],
};

const loss = lossBlock(
  { reason: "quota", fromUs: 1_700_000_000_000_000, toUs: null },
  { first: 11, count: 2 ** 33, before: "5152535455565758", after: null, repeated: true },
);

export const exampleMessages: Readonly<Record<string, Message>> = {
  "hello of a new store": {
    type: "hello",
    versions: [1],
    agentVersion: "0.1.0",
    nonce,
    storeId,
    groupId: null,
    open: null,
    lowestUnsettledRun: 0,
  },
  hello: {
    type: "hello",
    versions: [1, 2],
    agentVersion: "1.2.3",
    nonce,
    storeId,
    groupId,
    open: record,
    lowestUnsettledRun: 5,
  },
  welcome: {
    type: "welcome",
    nonce,
    gateway: "gateway-1",
    groupId,
    journalId,
    timeUs: 1_700_000_000_123_456,
    batchBytesMax: 524_288,
    sendWindow: 4,
    codecs: [0, 1, 2],
    gateways: ["mqtts://gateway-1.example:8883"],
  },
  ask: {
    type: "ask",
    nonce,
    groupId,
    entries: [
      { stream: "telemetry", epoch, storeId, run: 7, version: 3, newest: 300, gone: [{ first: 1, last: 4 }] },
      { stream: "log", epoch, storeId, run: 7, version: 0, newest: 0, gone: [] },
    ],
  },
  batch: {
    type: "batch",
    nonce,
    groupId,
    stream: "telemetry",
    record: { ...record, predecessor: null, givenUp: [] },
    newest: 300,
    clock: { segment: 2, offsetUs: -1_000_000, quality: "corrected" },
    blocks: [
      {
        first: 1,
        count: 10,
        before: "4142434445464748",
        after: "5152535455565758",
        codec: 1,
        rawBytes: 4,
        crc: 0xb63cfbcd,
        repeated: false,
        bytes: Uint8Array.of(1, 2, 3, 4),
      },
      loss,
    ],
  },
  position: {
    type: "position",
    nonce,
    groupId,
    journalId,
    version: 4_294_967_296,
    stream: "telemetry",
    epoch,
    journaled: [
      { first: 1, last: 10, before: "4142434445464748", after: "5152535455565758" },
      { first: 12, last: 9_007_199_254_740_991, before: null, after: null },
    ],
    forwarded: [],
  },
  "nack of a block": {
    type: "nack",
    nonce,
    reason: "conflict",
    retryAfterMs: 0,
    stream: "telemetry",
    epoch,
    first: 11,
    floor: null,
  },
  "nack of a session": {
    type: "nack",
    nonce,
    reason: "other-group",
    retryAfterMs: 60_000,
    stream: null,
    epoch: null,
    first: null,
    floor: null,
  },
  "nack with a floor": {
    type: "nack",
    nonce,
    reason: "expired",
    retryAfterMs: 0,
    stream: "log",
    epoch,
    first: null,
    floor: 6,
  },
};
