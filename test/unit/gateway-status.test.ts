import assert from "node:assert/strict";
import { test } from "node:test";
import { type GatewayStatus, healthOf, readStatus, sayStatus } from "../../gateway/status.ts";
import { openVoice } from "../../shared/voice.ts";

const status: GatewayStatus = {
  gateway: "site-3",
  version: "0.1.0",
  groupId: "a".repeat(32),
  journalId: "b".repeat(32),
  connections: 2,
  pendingReadings: 12_345,
  settlingReadings: 0,
  settlingBytes: 0,
  pendingBytes: 54_321,
  journalBytes: 1_000_000,
  quotaBytes: 10_000_000,
  isDiskFull: false,
  ratePerSecondIn: 10,
  ratePerSecondOut: 100,
  drainEtaMs: 125_000,
  forwarder: "forwarding",
  trouble: null,
  forwardedReadings: 99,
  forwardedAgoMs: 1_500,
  deadLetters: 0,
  replayedLetters: 0,
  lost: { quota: 7, corrupt: 0 },
  refused: { busy: 0 },
  alarms: { conflict: 3 },
  gone: [],
  reportsCount: 0,
  reports: [],
};

function said(change: Partial<GatewayStatus>): string {
  let out = "";
  const sink = { write: (text: string) => (out += text) };
  sayStatus(openVoice(sink, sink, {}), { ...status, ...change });
  return out;
}

test("what a person reads names the backlog, its end, what was lost and what alarmed", () => {
  const text = said({});
  for (const words of [
    "12,345 readings",
    "2 min 5 s",
    "1.0 MB of 10.0 MB",
    "7 quota",
    "3 conflict",
    "the last 1.5 s ago",
  ]) {
    assert.ok(text.includes(words), `${words} in\n${text}`);
  }
  assert.match(said({ gone: ["The topic readings is gone."] }), /^The topic readings is gone\.$/m);
  assert.match(said({ forwardedAgoMs: null, drainEtaMs: null }), /none yet/);
  const report = { kind: "journal-lost", agent: "pump-1", stream: "log", epoch: "0".repeat(16), seqs: 3 };
  assert.match(said({ reports: [report], reportsCount: 5_000 }), /the first 1 of 5,000/);
});

test("health fails where readings are refused, and is degraded where a person should look", () => {
  const of = (change: Partial<GatewayStatus>): string => healthOf({ ...status, ...change }).status;
  assert.equal(of({}), "ok");
  assert.equal(of({ trouble: "the queue is away" }), "degraded");
  assert.equal(of({ deadLetters: 1 }), "degraded");
  assert.equal(of({ gone: ["The topic readings is gone."] }), "degraded");
  assert.equal(of({ isDiskFull: true }), "failing");
  assert.equal(of({ journalBytes: 9_900_000 }), "failing");
  assert.match(healthOf({ ...status, isDiskFull: true }).reasons.join(), /disk is full/);
});

test("an answer of another shape is no status", () => {
  assert.equal(readStatus(status), status);
  for (const answer of [
    null,
    undefined,
    7,
    [],
    {},
    { gateway: "x" },
    { ...status, lost: undefined },
    { ...status, gateway: 7 },
  ]) {
    assert.throws(() => readStatus(answer), { name: "Fault", code: "unavailable" });
  }
});
