/** What several faults do with the copies of a card or of a running machine: making them, ending them, going back. */
import { type Device, killDevice, newDevice, startDevice } from "./device.ts";
import type { Dice } from "./dice.ts";
import { minuteMs } from "./fault.ts";
import { openImage } from "./memory.ts";
import type { Simulation } from "./run.ts";

/** The image of a card, and how much of what it has taken by now was on it. */
export interface Backup {
  readonly image: Buffer | null;
  readonly taken: number;
}

export interface Copies {
  /** A device with a copy of the card; undefined where there are as many as may be. */
  copyOf(device: Device): Device | undefined;
  /** Resumes a snapshot of the running machine on another one: a copy with the same memory, in the same open epoch. */
  fork(device: Device): Device | undefined;
  takeAway(device: Device): void;
  startLater(device: Device, meanMs: number): void;
  restart(device: Device): void;
  backUp(device: Device): Backup;
  /** Brings a card back to what it was. */
  putBack(device: Device, backup: Backup): void;
}

export function createCopies({ world, network, devices }: Simulation, dice: Dice): Copies {
  const { clock, oracle } = world;
  /** Copies of one agent that run at once. */
  const copiesMax = dice.pick([2, 2, 3]);

  function startLater(device: Device, meanMs: number): void {
    clock.after(dice.wait(meanMs), null, () => startDevice(world, network, device));
  }

  function copyOf(device: Device): Device | undefined {
    const { agent } = device.options;
    if (devices.filter((other) => !other.isGone && other.options.agent === agent).length >= copiesMax) return undefined;
    const copy = newDevice(world, `${device.name}'`, device.options, device.db.serialize(), device.taken);
    devices.push(copy);
    return copy;
  }

  return {
    copyOf,
    fork(device) {
      const store = device.process?.store;
      const record = store?.openRecord();
      if (store === undefined || record == null) return undefined;
      const memory = store.memory();
      const copy = copyOf(device);
      if (copy === undefined) return undefined;
      const own = store.lanes().filter(({ run }) => memory.ownRuns.has(run));
      for (const { name, epoch, last } of own) oracle.fork({ agent: device.options.agent, stream: name, epoch }, last);
      for (const epoch of [record.epoch, ...own.map((lane) => lane.epoch)]) oracle.forkedEpochs.add(epoch);
      world.count("fork");
      startDevice(world, network, copy, memory);
      return copy;
    },
    takeAway(device) {
      killDevice(world, device);
      device.isGone = true;
    },
    startLater,
    restart(device) {
      device.process?.stop();
      killDevice(world, device);
      startLater(device, 10_000);
    },
    backUp: (device) => ({ image: device.db.serialize(), taken: device.taken.length }),
    putBack(device, { image, taken }) {
      killDevice(world, device);
      device.db.close();
      device.db = openImage(image);
      device.taken = device.taken.slice(0, taken);
      device.promised = new Set();
      world.count("card went back");
      startLater(device, minuteMs);
    },
  };
}
