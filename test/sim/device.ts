/** A simulated device: a card with the store, a machine with clocks, and the real agent's rooms as one process on them. */
import { startIntake } from "../../agent/intake.ts";
import type { ProcessMemory, StreamOptions } from "../../agent/store/core.ts";
import { startHousekeeping } from "../../agent/store/housekeeping.ts";
import { prepareSchema } from "../../agent/store/schema.ts";
import { openStore, type Store, type StoreOptions } from "../../agent/store/store.ts";
import { createUplink, type Uplink } from "../../agent/uplink/uplink.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import { type Db, isFull } from "../../shared/sqlite.ts";
import { type Life, newLife } from "./clock.ts";
import { type Machine, newMachine, processEnv } from "./env.ts";
import { limitPages, openImage } from "./memory.ts";
import type { Network, Wire } from "./network.ts";
import { startProducer } from "./producer.ts";
import { type CrashPoint, watchStore } from "./watch.ts";
import type { World } from "./world.ts";

export interface DeviceOptions {
  readonly agent: string;
  /** The first is its own; the others belong to another group and are tried once the agent belongs to the first's. */
  readonly gateways: readonly string[];
  readonly streams: readonly StreamOptions[];
  readonly quotaBytes: number;
  /** Mean time between two requests of the producers, ms, and the most readings of one. */
  readonly requestEveryMs: number;
  readonly requestReadingsMax: number;
  /** How often requests come in a burst, and the most of one. */
  readonly burstShare: number;
  readonly burstMax: number;
}

/** The process that runs on a device. */
export interface Process {
  readonly life: Life;
  readonly store: Store;
  readonly uplink: Uplink;
  /** Ends it as a service manager does: what waits is committed. */
  stop(): void;
}

export interface Device {
  readonly name: string;
  readonly options: DeviceOptions;
  readonly machine: Machine;
  readonly wire: Wire;
  db: Db;
  /** Every reading this card has taken, in order: what a backup of it knows is a beginning of this. */
  taken: number[];
  /** Readings by lane, as `lane/id`, whose epoch a position must have ended as a fork on this card. */
  promised: Set<string>;
  process: Process | null;
  /** Set by a fault: the next call of the store ends in a crash. */
  crash: CrashPoint | undefined;
  /** Pages of the full disk that the ballast holds back; null while the disk has room. */
  ballastPages: number | null;
  /** True once the card is out of the world. */
  isGone: boolean;
}

const restartMs = 10_000;
const lingerMs = 100;
const answerTimeoutMs = 30_000;

/** Thrown where a fault ends a process inside a call. */
class Died extends Error {}

export function newDevice(
  world: World,
  name: string,
  options: DeviceOptions,
  image: Buffer | null,
  taken: readonly number[],
): Device {
  return {
    name,
    options,
    machine: newMachine(world.dice),
    wire: { agent: options.agent, isCut: false },
    db: openImage(image),
    taken: [...taken],
    promised: new Set(),
    process: null,
    crash: undefined,
    ballastPages: null,
    isGone: false,
  };
}

/**
 * Starts the agent on a device, where none runs.
 * @param resumed the memory that a VM snapshot brings back; absent for every other start
 */
export function startDevice(world: World, network: Network, device: Device, resumed?: ProcessMemory): void {
  if (device.process !== null || device.isGone) return;
  const life = newLife();
  const dice = world.dice.split();
  world.count("agent start");

  function failed(error: unknown): void {
    if (!life.alive) return;
    world.find("FAILED", `${device.name}: ${error instanceof Error ? error.stack : messageOf(error)}`);
    killDevice(world, device);
    clock.after(restartMs, null, () => startDevice(world, network, device));
  }
  /** As main.ts guards what timers and links call: no room is no failure. */
  function guard<A extends unknown[]>(action: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      if (!life.alive) return;
      try {
        action(...args);
      } catch (error) {
        if (isFull(error) || (error instanceof Fault && error.code === "full")) world.count("no room to note");
        else if (!(error instanceof Died)) failed(error);
      }
    };
  }

  const { clock } = world;
  const env = processEnv(clock, device.machine, life, dice, guard);
  let store: Store;
  try {
    prepareSchema(device.db, () => env.randomBytes(16));
    store = watchStore(openStore(device.db, env, storeOptions(world, device, resumed)), world, {
      agent: device.options.agent,
      db: device.db,
      journalId: network.journalId,
      took: (id) => void device.taken.push(id),
      taken: () => device.taken,
      promised: device.promised,
      crash() {
        const point = device.crash;
        device.crash = undefined;
        return point;
      },
      die() {
        world.count("crash inside a call");
        killDevice(world, device);
        clock.after(dice.wait(60_000), null, () => startDevice(world, network, device));
        throw new Died();
      },
    });
  } catch (error) {
    // On a full disk even a start may need room; the process manager tries again.
    if (!isFull(error)) failed(error);
    clock.after(60_000, null, () => startDevice(world, network, device));
    return;
  }
  const intake = startIntake(store, env, {
    streams: device.options.streams.map(({ name }) => name),
    commitIntervalMs: 200,
    onFailed: failed,
  });
  const uplink = createUplink(store, env, {
    gateways: store.group() === null ? device.options.gateways.slice(0, 1) : device.options.gateways,
    agentVersion: "sim",
    answerTimeoutMs,
    sendWindow: 8,
    lingerMs,
    connect: (url, { up, message, down }) =>
      network.connect(url, device.wire, life, { up: guard(up), message: guard(message), down: guard(down) }),
    priorityOf: (name) => device.options.streams.find((stream) => stream.name === name)?.priority ?? 9,
    alarm: (text) => {
      world.count("agent alarm");
      world.trace(() => `${device.name} alarm: ${text}`);
    },
  });
  intake.onCommitted(() => uplink.appended());
  startHousekeeping(store, env);
  const stop = (): void => {
    intake.stop();
    uplink.stop();
  };
  device.process = { life, store, uplink, stop: guard(stop) };
  startProducer(world, device, intake, env, dice, life);
  world.trace(() => `${device.name} starts`);
  guard(() => uplink.start())();
}

/** True where some epoch of the card waits to be sent, loaded or not. */
export function holdsPending({ db }: Device): boolean {
  const found = db.prepare(
    "SELECT 1 FROM block JOIN epoch USING (run) WHERE block.state = 0 AND epoch.state = 0 LIMIT 1",
  );
  return found.get() !== undefined;
}

/** True where unsettled epochs of the card wait for room in memory. */
export function hasUnloaded({ db, process, isGone }: Device): boolean {
  if (isGone || process === null) return false;
  const loaded = new Set(process.store.lanes().map((lane) => lane.run));
  const runs = db.prepare("SELECT DISTINCT run FROM lane JOIN epoch USING (run) WHERE epoch.state = 0").pluck().all();
  return (runs as number[]).some((run) => !loaded.has(run));
}

/** True where the card knows of seqs that are gone, and its next ASK has yet to say so. */
export function hasUnreported({ options, process, isGone }: Device, journal: Journal): boolean {
  if (isGone || process === null) return false;
  const reports = journal.reports();
  return process.store.lanes().some(({ name, epoch, gone }) => {
    const ours = reports.filter(
      ({ lane }) => lane.agent === options.agent && lane.stream === name && lane.epoch === epoch,
    );
    const reported = ours.flatMap(({ spans }) => spans);
    return gone.some(({ first, last }) => !reported.some((span) => span.first <= first && last <= span.last));
  });
}

/** Ends the process on a device between two steps. */
export function killDevice(world: World, device: Device): void {
  if (device.process === null) return;
  world.trace(() => `${device.name} dies`);
  device.process.life.alive = false;
  device.process = null;
  if (device.db.inTransaction) device.db.exec("ROLLBACK");
}

function storeOptions(world: World, device: Device, resumed?: ProcessMemory): StoreOptions {
  return {
    ...(resumed === undefined ? {} : { resumed }),
    streams: device.options.streams,
    quotaBytes: device.options.quotaBytes,
    quarantine: () => world.count("block found damaged"),
    ballast: {
      drop() {
        if (device.ballastPages === null || device.ballastPages === 0) return false;
        limitPages(device.db, device.ballastPages);
        device.ballastPages = 0;
        return true;
      },
      restore: () => device.ballastPages === null,
    },
  };
}
