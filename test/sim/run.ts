/** One seed: a world, hours of faults, a calm in which everything settles, and the audit. */
import type { StreamOptions } from "../../agent/store/core.ts";
import { audit } from "./audit.ts";
import {
  type Device,
  type DeviceOptions,
  hasUnloaded,
  hasUnreported,
  holdsPending,
  newDevice,
  startDevice,
} from "./device.ts";
import { startFaults } from "./faults.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { declareLost } from "./gateway-faults.ts";
import { createNetwork, type Network, type Weather } from "./network.ts";
import { createWorld, type Finding, type World } from "./world.ts";

export interface SeedResult {
  readonly seed: number;
  readonly findings: readonly Finding[];
  readonly counts: ReadonlyMap<string, number>;
  readonly events: number;
  readonly fingerprint: number;
}

export interface Simulation {
  readonly world: World;
  readonly gateway: Gateway;
  /** A gateway of another group, which some devices try too. */
  readonly foreign: Gateway | null;
  readonly network: Network;
  readonly devices: Device[];
  /** True where producers hand over more at once than a stream may hold. */
  readonly isFlooded: boolean;
}

const hourMs = 3_600_000;
/** The tables of an empty store, and the reserve that small-limits.ts leaves it. */
const emptyStoreBytes = 86_000;
const emptyJournalBytes = 200_000;
const ownUrl = "sim://own";
const foreignUrl = "sim://foreign";
/** Longest calm: hourly asks, rests and back-offs of an hour each need their turn, and again after a restart. */
const settleHoursMax = 72;
/** Each round settles at least one of the unsettled epochs of a store. */
const declareRoundsMax = 30;

export async function runSeed(seed: number, hours: number, trace?: (line: string) => void): Promise<SeedResult> {
  const world = createWorld(seed, trace);
  const sim = build(world);
  const { clock } = world;
  sim.gateway.start();
  sim.foreign?.start();
  for (const device of sim.devices)
    clock.after(world.dice.between(0, 60_000), null, () => startDevice(world, sim.network, device));
  const faults = startFaults(sim);
  await clock.run(hours * hourMs);
  world.calm = true;
  world.trace(() => "--- calm ---");
  faults.heal();
  await settle(sim);
  faults.closeEpochs();
  await settle(sim);
  await declareUntilAllAreAsked(sim);
  audit(world, sim.gateway, sim.devices);
  close(sim);
  // What SQLite holds outside the heap is only given back in a turn of the real loop, and simulated time needs none.
  await new Promise<void>((resolve) => void setImmediate(resolve));
  if (sim.foreign !== null && sim.foreign.queue.outcomes.length > 0)
    world.find("WRONG-GROUP", "two queues have readings");
  return {
    seed,
    findings: world.findings,
    counts: world.counts,
    events: clock.events(),
    fingerprint: clock.fingerprint(),
  };
}

/** A database in memory lives until it is closed: thousands of seeds would fill the machine. */
function close({ gateway, foreign, devices }: Simulation): void {
  for (const device of devices) device.db.close();
  gateway.db().close();
  foreign?.db().close();
}

/**
 * Lets hours pass until nothing waits any more, or nothing will ever move. A seed that has failed is not waited for: a
 * process that fails at each start would be started thousands of times, which once took all memory of a machine.
 */
async function settle({ world, gateway, devices }: Simulation): Promise<void> {
  const fromMs = world.clock.nowMs();
  // An hour and a bit: every lane has been asked for again by then.
  await world.clock.run(fromMs + 1.2 * hourMs);
  while (world.findings.length === 0 && world.clock.nowMs() < fromMs + settleHoursMax * hourMs) {
    const waits = devices.some(
      (device) => !device.isGone && (device.process?.uplink.status().phase !== "syncing" || holdsPending(device)),
    );
    const journal = gateway.journal();
    if (!waits && journal?.usage().blocks === 0 && !devices.some((device) => hasUnreported(device, journal))) return;
    await world.clock.run(world.clock.nowMs() + 0.5 * hourMs);
  }
}

/**
 * A store has a limited number of unsettled epochs in memory and asks for no others (I8). Where some stay open, since
 * nobody has what they lack, later ones are not asked for until an operator has declared what is reported.
 */
async function declareUntilAllAreAsked(sim: Simulation): Promise<void> {
  for (let round = 0; round < declareRoundsMax && sim.devices.some(hasUnloaded); round++) {
    if (sim.world.findings.length > 0) return;
    const journal = sim.gateway.journal();
    for (const report of journal?.reports() ?? []) if (journal !== undefined) declareLost(sim.world, journal, report);
    sim.world.count("operator declared all");
    await settle(sim);
  }
}

function build(world: World): Simulation {
  const { dice } = world;
  const stations = new Map<string, Gateway>();
  const network = createNetwork(world, weatherOf(world), stations);
  const open = (url: string, groupId: string): Gateway => {
    const opened = createGateway(world, {
      url,
      groupId,
      quotaBytes: dice.chance(0.2) ? emptyJournalBytes + dice.below(100_000) : 64 * 1024 * 1024,
      sendWindow: dice.pick([1, 4, 8]),
      queueFails: dice.pick([0, 0, 0.1]),
      queueLatencyMs: dice.pick([10, 1_000, 1_800_000]),
      send: (agent, bytes) => network.toAgent(url, agent, bytes),
      died: () => network.stationDied(url),
    });
    stations.set(url, opened);
    return opened;
  };
  const gateway = open(ownUrl, "a".repeat(32));
  const foreign = dice.chance(0.2) ? open(foreignUrl, "b".repeat(32)) : null;
  const isFlooded = dice.chance(0.15);
  const devices: Device[] = [];
  for (let i = 1 + dice.below(2); i > 0; i--) {
    devices.push(newDevice(world, `d${i}`, deviceOptions(world, `a${i}`, foreign !== null, isFlooded), null, []));
  }
  return { world, gateway, foreign, network, devices, isFlooded };
}

function weatherOf({ dice }: World): Weather {
  const isRough = dice.chance(0.7);
  return {
    latencyMs: dice.pick([20, 200, 2_000]),
    drops: isRough ? dice.between(0, 0.2) : 0,
    repeats: isRough ? dice.between(0, 0.1) : 0,
    slow: isRough ? dice.between(0, 0.1) : 0,
    slowMs: dice.pick([5_000, 60_000, 3_600_000]),
  };
}

function deviceOptions({ dice }: World, agent: string, hasForeign: boolean, isFlooded: boolean): DeviceOptions {
  const quota = dice.chance(0.5)
    ? { quotaBytes: dice.chance(0.4) ? 80 + dice.below(200) : 300 + dice.below(2_000) }
    : {};
  const streams: StreamOptions[] = [
    { name: "alarm", priority: 0, policy: "reject" },
    { name: "telemetry", priority: 1, policy: "drop-oldest", ...quota },
  ];
  const floodQuota = { quotaBytes: 80 + dice.below(120) };
  // A flood is more than its stream may hold: what one copy drops, the other may have delivered already.
  const flood = isFlooded
    ? {
        requestEveryMs: dice.pick([40, 80]) * 60_000,
        requestReadingsMax: 12,
        burstShare: 0.6,
        burstMax: 24,
        streams: streams.map((stream) => ({ ...stream, ...(stream.policy === "reject" ? {} : floodQuota) })),
      }
    : {};
  return {
    agent,
    gateways: hasForeign ? [ownUrl, foreignUrl] : [ownUrl],
    streams,
    quotaBytes: dice.chance(0.5) ? emptyStoreBytes + dice.below(14_000) : 16 * 1024 * 1024,
    requestEveryMs: dice.pick([10, 20, 40]) * 60_000,
    requestReadingsMax: dice.pick([1, 4, 12]),
    burstShare: 0.2,
    burstMax: dice.pick([4, 4, 16]),
    ...flood,
  };
}
