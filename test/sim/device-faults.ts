/** What goes wrong with devices: processes, clocks, cards and links. */
import { type Backup, createCopies } from "./copies.ts";
import { damageBlock } from "./damage.ts";
import { type Device, killDevice, startDevice } from "./device.ts";
import type { Dice } from "./dice.ts";
import { type Fault, hourMs, minuteMs } from "./fault.ts";
import { limitPages } from "./memory.ts";
import { createMoves } from "./moved.ts";
import type { Wire } from "./network.ts";
import type { Simulation } from "./run.ts";

const dayMs = 24 * hourMs;

export function deviceFaults(sim: Simulation, dice: Dice): Fault[] {
  const { world, network, devices } = sim;
  const { clock } = world;
  const backups = new Map<Device, Backup>();
  const copies = createCopies(sim, dice);
  const moves = createMoves(sim, copies, dice);
  const running = (): Device[] => devices.filter((device) => device.process !== null);

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

  return [
    one("agent crash", 4, (device) => {
      killDevice(world, device);
      copies.startLater(device, 5 * minuteMs);
      return true;
    }),
    one("agent crash in a call", 3, (device) => {
      device.crash = dice.pick(["before", "after"] as const);
      return true;
    }),
    one("agent restart", 3, (device) => {
      copies.restart(device);
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
      copies.startLater(owner, minuteMs);
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
      backups.set(device, copies.backUp(device));
      return true;
    }),
    one("store put back", 2, (device) => {
      const backup = backups.get(device);
      if (backup === undefined) return false;
      copies.putBack(device, backup);
      return true;
    }),
    one("card lost", 0.5, (device) => {
      backups.delete(device);
      copies.putBack(device, { image: null, taken: 0 });
      return true;
    }),
    one("card cloned", 1, (device) => {
      const copy = copies.copyOf(device);
      if (copy === undefined) return false;
      world.count("card went back");
      startDevice(world, network, copy);
      return true;
    }),
    one("machine forked", 1, (device) => {
      const copy = copies.fork(device);
      if (copy === undefined) return false;
      // A snapshot is resumed on another host because something is wrong with the first one, or with its network.
      if (dice.chance(0.4)) cutFor(dice.pick([device, copy]).wire, dice.pick([2 * hourMs, 6 * hourMs]));
      if (dice.chance(0.3)) copies.restart(device);
      return true;
    }),
    one("machine moved", 1, moves.move),
    one("machine moved and put back", 1, moves.moveAndPutBack),
    one("copy taken away", 0.5, (device) => {
      const others = devices.filter((other) => !other.isGone && other.options.agent === device.options.agent);
      if (others.length < 2) return false;
      copies.takeAway(device);
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
