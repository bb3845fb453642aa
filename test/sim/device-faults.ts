/** What goes wrong with devices: processes, clocks, cards and links. */
import { type Device, killDevice, newDevice, startDevice } from "./device.ts";
import type { Dice } from "./dice.ts";
import { type Fault, hourMs, minuteMs } from "./fault.ts";
import { limitPages, openImage } from "./memory.ts";
import type { Wire } from "./network.ts";
import { laneName } from "./oracle.ts";
import type { Simulation } from "./run.ts";

const dayMs = 24 * hourMs;

interface Backup {
  readonly image: Buffer;
  readonly taken: number;
}

export function deviceFaults({ world, network, devices }: Simulation, dice: Dice): Fault[] {
  const { clock, oracle } = world;
  const backups = new Map<Device, Backup>();
  /** Copies of one agent that run at once. */
  const copiesMax = dice.pick([2, 2, 3]);
  const running = (): Device[] => devices.filter((device) => device.process !== null);
  const start = (device: Device): void => startDevice(world, network, device);
  const startLater = (device: Device, meanMs: number): void => {
    clock.after(dice.wait(meanMs), null, () => start(device));
  };

  function restart(device: Device): void {
    device.process?.stop();
    killDevice(world, device);
    startLater(device, 10_000);
  }

  function cutFor(wire: Wire, meanMs: number): void {
    network.cut(wire);
    clock.after(dice.wait(meanMs), null, () => network.heal(wire));
  }

  /** A fault of one running device. */
  const one = (name: string, weight: number, strike: (device: Device) => boolean | undefined): Fault => ({
    name,
    weight,
    strike() {
      const candidates = running();
      return candidates.length > 0 && strike(dice.pick(candidates)) !== false;
    },
  });

  function copyOf(device: Device): Device | undefined {
    const { agent } = device.options;
    if (devices.filter((other) => !other.isGone && other.options.agent === agent).length >= copiesMax) return undefined;
    const copy = newDevice(world, `${device.name}'`, device.options, device.db.serialize(), device.taken);
    devices.push(copy);
    return copy;
  }

  /** Resumes a snapshot of the running machine on another one: a copy with the same memory, in the same open epoch. */
  function fork(device: Device): Device | undefined {
    const store = device.process?.store;
    const record = store?.openRecord();
    if (store === undefined || record == null) return undefined;
    const memory = store.memory();
    const copy = copyOf(device);
    if (copy === undefined) return undefined;
    for (const { run, name, epoch, last } of store.lanes()) {
      if (!memory.ownRuns.has(run)) continue;
      oracle.forkedEpochs.add(epoch);
      oracle.fork(laneName({ agent: device.options.agent, stream: name, epoch }), last);
    }
    oracle.forkedEpochs.add(record.epoch);
    world.count("fork");
    startDevice(world, network, copy, memory);
    return copy;
  }

  function takeAway(device: Device): void {
    killDevice(world, device);
    device.isGone = true;
  }

  return [
    one("agent crash", 4, (device) => {
      killDevice(world, device);
      startLater(device, 5 * minuteMs);
      return true;
    }),
    one("agent crash in a call", 3, (device) => {
      device.crash = dice.pick(["before", "after"] as const);
      return true;
    }),
    one("agent restart", 3, (device) => {
      restart(device);
      return true;
    }),
    one("agent stalled", 1, (device) => {
      if (device.process !== null) device.process.life.stalledUntilMs = clock.nowMs() + dice.wait(minuteMs);
      return true;
    }),
    one("machine rebooted", 1, ({ machine, ...device }) => {
      const owner = devices.find((other) => other.machine === machine) as Device;
      killDevice(world, owner);
      machine.bootId = Buffer.from(dice.bytes(8)).toString("hex");
      machine.bootedMs = clock.nowMs();
      // A device without a battery for its clock boots in the past.
      if (dice.chance(0.5)) machine.offMs = -dice.between(0, 3_000) * dayMs;
      startLater(owner, minuteMs);
      return device.isGone === false;
    }),
    one("clock step", 2, ({ machine }) => {
      machine.offMs = dice.chance(0.5) ? 0 : machine.offMs + dice.between(-2, 2) * dice.pick([10_000, hourMs, dayMs]);
      return true;
    }),
    one("link cut", 4, ({ wire }) => {
      if (wire.isCut) return false;
      cutFor(wire, dice.pick([5 * minuteMs, 2 * hourMs, 6 * hourMs]));
      return true;
    }),
    one("store backed up", 2, (device) => {
      backups.set(device, { image: device.db.serialize(), taken: device.taken.length });
      return true;
    }),
    one("store put back", 2, (device) => {
      const backup = backups.get(device);
      if (backup === undefined) return false;
      killDevice(world, device);
      device.db.close();
      device.db = openImage(backup.image);
      device.taken = device.taken.slice(0, backup.taken);
      world.count("card went back");
      startLater(device, minuteMs);
      return true;
    }),
    one("card lost", 0.5, (device) => {
      killDevice(world, device);
      backups.delete(device);
      device.db.close();
      device.db = openImage(null);
      device.taken = [];
      world.count("card went back");
      startLater(device, minuteMs);
      return true;
    }),
    one("card cloned", 1, (device) => {
      const copy = copyOf(device);
      if (copy === undefined) return false;
      world.count("card went back");
      start(copy);
      return true;
    }),
    one("machine forked", 1, (device) => {
      const copy = fork(device);
      if (copy === undefined) return false;
      // A snapshot is resumed on another host because something is wrong with the first one, or with its network.
      if (dice.chance(0.4)) cutFor(dice.pick([device, copy]).wire, dice.pick([2 * hourMs, 6 * hourMs]));
      if (dice.chance(0.3)) restart(device);
      return true;
    }),
    one("machine moved", 1, (device) => {
      // Cut off for hours, it is resumed elsewhere from a snapshot; then one of the two gets its link back, works for a
      // while and ends, by a restart or for good; the other comes back last.
      if (device.wire.isCut || device.process === null) return false;
      network.cut(device.wire);
      clock.after(dice.wait(2 * hourMs), null, () => {
        const copy = fork(device);
        if (copy === undefined) return network.heal(device.wire);
        network.cut(copy.wire);
        const [early, late] = dice.chance(0.5) ? [device, copy] : [copy, device];
        const healMs = dice.wait(5 * minuteMs);
        const worksMs = dice.wait(dice.pick([5 * minuteMs, hourMs]));
        clock.after(healMs, null, () => network.heal(early.wire));
        clock.after(healMs + worksMs, null, () => (dice.chance(0.6) ? takeAway(early) : restart(early)));
        clock.after(2 * hourMs + dice.wait(4 * hourMs), null, () => network.heal(late.wire));
      });
      return true;
    }),
    one("copy taken away", 0.5, (device) => {
      const copies = devices.filter((other) => !other.isGone && other.options.agent === device.options.agent);
      if (copies.length < 2) return false;
      takeAway(device);
      return true;
    }),
    one("disk full", 2, (device) => {
      if (device.ballastPages !== null) return false;
      limitPages(device.db, dice.below(6));
      device.ballastPages = 40;
      clock.after(dice.wait(hourMs), null, () => {
        if (device.isGone) return;
        limitPages(device.db, null);
        device.ballastPages = null;
      });
      return true;
    }),
    one("block damaged", 2, (device) => damageBlock(device, dice)),
  ];
}

/** Flips a bit in the bytes of one block. */
function damageBlock(device: Device, dice: Dice): boolean {
  const { db } = device;
  const among = dice.chance(0.5) ? "WHERE state = 0" : "";
  const rows = db.prepare(`SELECT run, stream, first, body FROM block ${among}`).all() as {
    run: number;
    stream: number;
    first: number;
    body: number | null;
  }[];
  if (rows.length === 0) return false;
  const { run, stream, first, body } = dice.pick(rows);
  const bytes = (
    body === null
      ? db.prepare("SELECT bytes FROM block WHERE run=? AND stream=? AND first=?").pluck().get(run, stream, first)
      : db.prepare("SELECT bytes FROM body WHERE id=?").pluck().get(body)
  ) as Uint8Array;
  flip(bytes, dice);
  if (body === null)
    db.prepare("UPDATE block SET bytes=? WHERE run=? AND stream=? AND first=?").run(bytes, run, stream, first);
  else db.prepare("UPDATE body SET bytes=? WHERE id=?").run(bytes, body);
  return true;
}

export function flip(bytes: Uint8Array, dice: Dice): void {
  const at = dice.below(bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << dice.below(8));
}
