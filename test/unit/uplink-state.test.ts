import assert from "node:assert/strict";
import { test } from "node:test";
import { type Command, type Event, initialState, type Phase, type State, step } from "../../agent/uplink/state.ts";
import { backoffCapMs, backoffRefusedCapMs } from "../../shared/backoff.ts";
import type { DownMessage, Nack, NackReason, Position, Welcome } from "../../shared/protocol/messages.ts";
import { nackReasons } from "../../shared/protocol/messages.ts";

const nonce = "11".repeat(8);
const fresh = "22".repeat(8);
const group = "a".repeat(32);
const other = "b".repeat(32);
const journal = "c".repeat(32);

const welcome: Welcome = {
  type: "welcome",
  nonce,
  gateway: "g1",
  groupId: group,
  journalId: journal,
  timeUs: 0,
  batchBytesMax: 1000,
  sendWindow: 4,
  codecs: [0, 1, 2],
  gateways: [],
};
const position: Position = {
  type: "position",
  nonce,
  groupId: group,
  journalId: journal,
  version: 1,
  stream: "s",
  epoch: "d".repeat(16),
  journaled: [],
  forwarded: [],
};
const nack = (reason: NackReason, first: number | null = 1): Nack => ({
  type: "nack",
  nonce,
  reason,
  retryAfterMs: 0,
  stream: "s",
  epoch: position.epoch,
  first,
  floor: null,
});

const session = { gateway: "g1", journalId: journal, batchBytesMax: 1000, sendWindow: 4, codecs: [0, 1, 2] };
const base = { attempt: 0, gateway: 0, groupId: group };
const phases: Readonly<Record<Phase, State>> = {
  stopped: { ...base, phase: "stopped", nonce: null, session: null },
  waiting: { ...base, phase: "waiting", nonce: null, session: null },
  connecting: { ...base, phase: "connecting", nonce: null, session: null },
  greeting: { ...base, phase: "greeting", nonce, session: null },
  syncing: { ...base, phase: "syncing", nonce, session },
};
const message = (one: DownMessage): Event => ({ type: "message", message: one, nonce: fresh, random: 0.5 });
const events: Readonly<Record<string, Event>> = {
  start: { type: "start" },
  stop: { type: "stop" },
  retry: { type: "retry" },
  up: { type: "up", nonce: fresh },
  lost: { type: "down", reason: "lost", text: "gone", random: 0.5 },
  refused: { type: "down", reason: "refused", text: "no", random: 0.5 },
  silent: { type: "silent", random: 0.5 },
  welcome: message(welcome),
  "another journal's welcome": message({ ...welcome, journalId: other }),
  "another group's welcome": message({ ...welcome, groupId: other }),
  "a stale welcome": message({ ...welcome, nonce: fresh }),
  position: message(position),
  "another journal's position": message({ ...position, journalId: other }),
  "another group's position": message({ ...position, groupId: other }),
  "a stale position": message({ ...position, nonce: fresh }),
  "a refusal of a block": message(nack("malformed")),
  "other-group": message(nack("other-group", null)),
  "a stale refusal": message({ ...nack("full"), nonce: fresh }),
};

/** Per phase, the events that change something: the phase after it and the commands. All others change nothing. */
const expected: Readonly<Record<Phase, Readonly<Record<string, readonly [Phase, ...Command["type"][]]>>>> = {
  stopped: { start: ["connecting", "connect"] },
  waiting: { stop: ["stopped", "close"], retry: ["connecting", "connect"] },
  connecting: {
    stop: ["stopped", "close"],
    up: ["greeting", "hello"],
    lost: ["waiting", "close", "wait"],
    refused: ["waiting", "close", "wait", "alarm"],
    silent: ["waiting", "close", "wait"],
  },
  greeting: {
    stop: ["stopped", "close"],
    lost: ["waiting", "close", "wait"],
    refused: ["waiting", "close", "wait", "alarm"],
    silent: ["waiting", "close", "wait"],
    welcome: ["syncing", "joined"],
    "another journal's welcome": ["syncing", "joined"],
    "another group's welcome": ["waiting", "close", "wait", "alarm"],
    "a refusal of a block": ["greeting", "refused"],
    "other-group": ["waiting", "close", "wait", "alarm"],
  },
  syncing: {
    stop: ["stopped", "close"],
    lost: ["waiting", "close", "wait"],
    refused: ["waiting", "close", "wait", "alarm"],
    silent: ["waiting", "close", "wait"],
    "another journal's welcome": ["syncing", "joined"],
    position: ["syncing", "apply"],
    "another journal's position": ["greeting", "hello"],
    "a refusal of a block": ["syncing", "refused"],
    "other-group": ["waiting", "close", "wait", "alarm"],
  },
};

for (const phase of Object.keys(phases) as Phase[]) {
  for (const [name, event] of Object.entries(events)) {
    void test(`${phase}: ${name}`, () => {
      const before = phases[phase];
      const { state, commands } = step(before, event);
      const row = expected[phase][name];
      if (row === undefined) assert.deepEqual({ state, commands }, { state: before, commands: [] });
      else assert.deepEqual([state.phase, ...commands.map(({ type }) => type)], [...row]);
    });
  }
}

void test("another group's gateway is never joined, and the group once joined stays", () => {
  const first = step({ ...phases.greeting, groupId: null }, message({ ...welcome, groupId: other }));
  assert.equal(first.state.groupId, other);
  assert.deepEqual(first.commands[0], { type: "joined", welcome: { ...welcome, groupId: other }, newGroup: true });
  assert.equal(step(phases.greeting, message({ ...welcome, groupId: other })).state.groupId, group);
});

void test("I9: two journals under one address are greeted once and then with a wait; a position ends the count", () => {
  const foreign = message({ ...position, journalId: other });
  const greeting = step(phases.syncing, foreign).state;
  const again = step(greeting, message({ ...welcome, nonce: fresh })).state;
  const third = step(again, { ...foreign, message: { ...position, nonce: fresh, journalId: other } } as Event);
  assert.equal(third.state.phase, "waiting");
  const healed = step(again, message({ ...position, nonce: fresh })).state;
  assert.equal(healed.attempt, 0);
});

void test("I9: waits grow to a minute, and to an hour where only a person can help; a position resets them", () => {
  const waitOf = (state: State, event: Event) => {
    const next = step(state, event);
    const wait = next.commands.find((command) => command.type === "wait");
    return { state: next.state, delayMs: wait?.type === "wait" ? wait.delayMs : -1 };
  };
  let worst = { lost: 0, refused: 0 };
  for (let attempt = 0; attempt < 60; attempt++) {
    const at = { ...phases.connecting, attempt };
    const lost = waitOf(at, { type: "down", reason: "lost", text: "", random: 0.999 }).delayMs;
    const refused = waitOf(at, { type: "down", reason: "unauthorised", text: "", random: 0.999 }).delayMs;
    worst = { lost: Math.max(worst.lost, lost), refused: Math.max(worst.refused, refused) };
    assert.ok(lost >= 0 && lost <= backoffCapMs && refused <= backoffRefusedCapMs);
  }
  assert.ok(worst.lost > backoffCapMs * 0.9 && worst.refused > backoffRefusedCapMs * 0.9);
  const gone = waitOf(phases.syncing, { type: "silent", random: 0 }).state;
  assert.deepEqual(
    [gone.attempt, gone.gateway, gone.nonce, gone.session],
    [1, 1, null, null],
    "the next gateway is tried",
  );
});

void test("every refusal is handed on or ends the session, in each phase that hears it", () => {
  for (const reason of nackReasons) {
    for (const first of [1, null]) {
      const { state, commands } = step(phases.syncing, message(nack(reason, first)));
      const ends =
        reason === "other-group" || reason === "unauthorised" || (reason === "unsupported" && first === null);
      assert.equal(state.phase, ends ? "waiting" : "syncing", reason);
      assert.equal(commands[0]?.type, ends ? "close" : "refused", reason);
    }
  }
});

void test("a store that has joined no group starts without one", () => {
  assert.deepEqual(initialState(null), {
    phase: "stopped",
    attempt: 0,
    gateway: 0,
    nonce: null,
    groupId: null,
    session: null,
  });
});
