import assert from "node:assert/strict";
import { existsSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type AgentStatus, healthOf, statusOf } from "../../agent/status.ts";
import { openBallast } from "../../agent/store/room.ts";
import type { Uplink, UplinkStatus } from "../../agent/uplink/uplink.ts";
import { append, keptStore, ownRange, positionOf, tempFolder, theLane, wallUs } from "../fakes/agent-store.ts";

const link: UplinkStatus = {
  phase: "syncing",
  gateway: "g1",
  group: "a".repeat(32),
  lastAckUs: wallUs,
  inFlight: 0,
  resting: 0,
  readingsSent: 0,
  problem: null,
  refusal: null,
  silentMs: 0,
  forks: 0,
  malformed: 0,
};
const rate = (perSecond: number) => ({ perSecond: () => perSecond, stop: () => {} });

function statusWith(fill: (kept: ReturnType<typeof keptStore>) => void, out = 0, change: Partial<UplinkStatus> = {}) {
  const kept = keptStore();
  fill(kept);
  return statusOf({
    name: "pump-1",
    store: kept.store,
    intake: undefined as never,
    uplink: { status: () => ({ ...link, ...change }) } as Uplink,
    rateIn: rate(1),
    rateOut: rate(out),
    recovery: null,
    env: kept.env,
  });
}

void test("status tells what waits, how old the oldest is, and when nothing will wait any more", () => {
  const status = statusWith(({ store, env }) => {
    append(store, [1]);
    append(store, [2, 3]);
    append(store, [4], "alarm");
    const lane = theLane(store);
    store.apply(lane, positionOf(lane, 1, [ownRange(store, lane, 1, 1)]));
    env.advance(5_000);
  }, 2);
  assert.equal(status.pendingReadings, 3);
  assert.deepEqual(status.pendingByStream.telemetry?.readings, 2);
  assert.equal(status.deliveredKept, 1);
  assert.ok(Math.abs((status.oldestAgeMs as number) - 5_000) < 1);
  assert.equal(status.drainEtaMs, 3_000);
  assert.equal(statusWith(({ store }) => append(store, [1]), 1).drainEtaMs, null, "it does not come nearer");
  assert.equal(statusWith(() => {}).drainEtaMs, 0);
});

void test("health is degraded, with the reason, by whatever a person should look at", () => {
  const well = statusWith(() => {});
  assert.deepEqual(healthOf(well), { status: "ok", reasons: [] });
  const worries: Partial<AgentStatus>[] = [
    { openReadings: 2 },
    { forks: 1 },
    { restingBlocks: 1 },
    { recovery: "taken over" },
    { storeBytes: 95, quotaBytes: 100, pendingReadings: 1 },
  ];
  for (const worry of worries) {
    const { status, reasons } = healthOf({ ...well, ...worry });
    assert.equal(status, "degraded");
    assert.equal(reasons.length, 1);
  }
});

void test("I10: the ballast is laid where there is room, given up at once, and never the reason for a failure", (t) => {
  const folder = tempFolder(t);
  const path = join(folder, "ballast");
  writeFileSync(path, "half a ballast");
  const ballast = openBallast(path, 300_000);
  assert.equal(statSync(path).size, 300_000);
  assert.ok(statSync(path).blocks * 512 >= 300_000, "it holds real room");
  assert.equal(ballast.drop(), true);
  assert.equal(existsSync(path), false);
  assert.equal(ballast.drop(), false);
  // A write that fails although the file system said that it had room.
  symlinkSync(join(folder, "nowhere", "ballast"), path);
  ballast.restore();
  assert.equal(ballast.drop(), false);
  ballast.restore();
  assert.equal(statSync(path).size, 300_000);
  ballast.drop();
  const tooLarge = openBallast(path, 2 ** 60);
  assert.equal(tooLarge.drop(), false);
});

void test("health tells that a gateway refuses this agent, and that a group with waiting readings is silent for a day", () => {
  const one = ({ store }: ReturnType<typeof keptStore>) => append(store, [1]);
  const refused = statusWith(() => {}, 0, { refusal: "the password is wrong" });
  assert.deepEqual(healthOf(refused), {
    status: "degraded",
    reasons: ["The gateway does not take this agent: the password is wrong."],
  });
  assert.equal(healthOf(statusWith(one, 0, { silentMs: 23 * 3_600_000 })).status, "ok");
  assert.match(healthOf(statusWith(one, 0, { silentMs: 25 * 3_600_000 })).reasons.join(), /not heard of for 1 d 1 h/);
  assert.equal(healthOf(statusWith(() => {}, 0, { silentMs: 25 * 3_600_000 })).status, "ok", "nothing waits");
});
