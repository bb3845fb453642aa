/** The contract of the ledger of two clusters: the journal's own, and the one of the simulation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lane } from "../../gateway/queue/queue.ts";
import type { LaneSpans, Ledger, LedgerState } from "../../gateway/queue/standby/ledger.ts";
import type { Ranges } from "../../shared/ranges.ts";
import { journalInMemory } from "../fakes/journal-in-memory.ts";
import { lightLedger } from "../fakes/light-ledger.ts";
import { fakeQueue } from "../fakes/queue.ts";

interface Ground {
  readonly ledger: Ledger;
  /** The journal takes over what its queue has released. */
  settle(lane: Lane, forwarded: Ranges): Promise<void>;
  /** The journal may have gone back: it takes a new id. */
  renew(): Promise<void>;
}

const lane: Lane = { agent: "pump-17", stream: "telemetry", epoch: "0123456789abcdef" };
const second: Lane = { ...lane, agent: "well-3" };
const first: LedgerState = {
  era: 1,
  active: "primary",
  abandoned: null,
  clusterIds: { primary: "A", standby: "B" },
  isRepeating: false,
  change: null,
};

async function sqlite(): Promise<Ground> {
  const { journal } = await journalInMemory(fakeQueue().open());
  return {
    ledger: journal.ledger,
    settle: (of, forwarded) => journal.settle([], [{ lane: of, storeId: "store", run: 1, forwarded }]),
    async renew() {
      const entry = { stream: lane.stream, epoch: lane.epoch, storeId: "store", run: 1, newest: 9, gone: [] };
      await journal.ask(lane.agent, { ...entry, version: 1_000_000 } as never);
    },
  };
}

async function light(): Promise<Ground> {
  const forwarded = new Map<string, Ranges>();
  let id = 1;
  return {
    ledger: lightLedger(
      () => `${id}`,
      (of) => forwarded.get(of.agent) ?? [],
    ),
    settle: async (of, ranges) => void forwarded.set(of.agent, ranges),
    renew: async () => void id++,
  };
}

const spans = (...pairs: [number, number][]): { first: number; last: number }[] =>
  pairs.map(([first, last]) => ({ first, last }));
const whole = (first: number, last: number): Ranges => [{ first, last, before: null, after: null }];
const plain = (names: readonly LaneSpans[]): unknown =>
  names.map(({ lane: of, spans: list }) => [of.agent, list.map(({ first, last }) => [first, last])]);

for (const [name, open] of [
  ["the journal's", sqlite],
  ["the simulation's", light],
] as const) {
  test(`${name} ledger knows nothing until it was begun, and nothing after its end`, async () => {
    const { ledger } = await open();
    assert.equal(ledger.state(), null);
    assert.equal(await ledger.reserve(0, "primary", [{ lane, spans: spans([1, 2]) }]), false);
    await ledger.begin(first, { primary: [{ lane, spans: spans([1, 2]) }], standby: [] });
    assert.deepEqual(ledger.state(), first);
    assert.equal(await ledger.begin({ ...first, era: 7 }, { primary: [], standby: [] }), false);
    assert.deepEqual(ledger.state(), first);
    assert.deepEqual(plain(ledger.reserved("primary")), [["pump-17", [[1, 2]]]]);
    await ledger.end();
    assert.equal(ledger.state(), null);
    assert.deepEqual(ledger.reserved("primary"), []);
  });

  test(`I5: ${name} ledger refuses whoever acts in an older era`, async () => {
    const { ledger } = await open();
    await ledger.begin(first, { primary: [], standby: [] });
    assert.equal(await ledger.move(1, { ...first, active: "standby" }), true);
    assert.deepEqual(ledger.state(), { ...first, era: 2, active: "standby" });
    assert.equal(await ledger.move(1, first), false);
    assert.equal(await ledger.reserve(1, "primary", [{ lane, spans: spans([1, 1]) }]), false);
    assert.equal(await ledger.free(1, "primary", []), false);
    assert.deepEqual(ledger.reserved("primary"), []);
    assert.equal(await ledger.reserve(2, "standby", [{ lane, spans: spans([1, 1]) }]), true);
  });

  test(`${name} ledger gathers what is reserved, apart for each side and lane, and takes back what is freed`, async () => {
    const { ledger } = await open();
    await ledger.begin(first, { primary: [], standby: [{ lane, spans: spans([9, 9]) }] });
    await ledger.reserve(1, "primary", [
      { lane, spans: spans([1, 3], [7, 8]) },
      { lane: second, spans: spans([5, 5]) },
    ]);
    await ledger.reserve(1, "primary", [{ lane, spans: spans([2, 5]) }]);
    assert.equal(await ledger.reserve(1, "standby", [{ lane, spans: spans([1, 1]) }]), false);
    await ledger.free(1, "primary", [{ lane, spans: spans([2, 2], [7, 9]) }]);
    assert.deepEqual(plain(ledger.reserved("primary")), [
      [
        "pump-17",
        [
          [1, 1],
          [3, 5],
        ],
      ],
      ["well-3", [[5, 5]]],
    ]);
    assert.deepEqual(plain(ledger.reserved("standby")), [["pump-17", [[9, 9]]]]);
  });

  test(`${name} ledger forgets what its journal knows as forwarded`, async () => {
    const { ledger, settle } = await open();
    await ledger.begin(first, { primary: [{ lane, spans: spans([1, 9]) }], standby: [] });
    await settle(lane, whole(1, 4));
    assert.deepEqual(plain(ledger.reserved("primary")), [["pump-17", [[5, 9]]]]);
    assert.deepEqual([ledger.forwarded(lane), ledger.forwarded(second)], [whole(1, 4), []]);
    await settle(lane, whole(1, 9));
    assert.deepEqual(ledger.reserved("primary"), []);
  });

  test(`I5: ${name} ledger counts under one journal id only: one that went back knows too little`, async () => {
    const { ledger, renew } = await open();
    await ledger.begin(first, { primary: [], standby: [] });
    await renew();
    assert.equal(ledger.state(), null);
    assert.equal(await ledger.reserve(1, "primary", [{ lane, spans: spans([1, 1]) }]), false);
    assert.deepEqual(ledger.clusterIds(), first.clusterIds);
  });
}
