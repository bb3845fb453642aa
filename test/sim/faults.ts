/** The faults of a seed: which of them can happen is rolled per seed, when they do as a Poisson process. */
import { killDevice, startDevice } from "./device.ts";
import type { Simulation } from "./run.ts";

interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Returns false where it could not happen now. */
  readonly act: () => boolean | void;
}

export interface Faults {
  /** Ends all faults: from here on everything can settle. */
  heal(): void;
  /** Restarts every process whose epoch is its own, so that what waits for the epoch to close goes on. */
  closeEpochs(): void;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

export function startFaults(sim: Simulation): Faults {
  const { world, gateway, network, devices } = sim;
  const { clock } = world;
  const dice = world.dice.split();
  const all: Fault[] = [
    {
      name: "agent crash",
      weight: 4,
      act() {
        const device = dice.pick(devices);
        if (device.process === null) return false;
        killDevice(world, device);
        clock.after(dice.wait(5 * minuteMs), null, () => startDevice(world, network, device));
        return true;
      },
    },
    {
      name: "agent crash in a call",
      weight: 3,
      act: () => void (dice.pick(devices).crash = dice.pick(["before", "after"] as const)),
    },
    {
      name: "gateway crash",
      weight: 4,
      act() {
        gateway.kill();
        clock.after(dice.wait(3 * minuteMs), null, gateway.start);
      },
    },
    {
      name: "link cut",
      weight: 4,
      act() {
        const { wire } = dice.pick(devices);
        if (wire.isCut) return false;
        network.cut(wire);
        clock.after(dice.wait(dice.pick([5 * minuteMs, 2 * hourMs])), null, () => network.heal(wire));
        return true;
      },
    },
  ];
  const enabled = all.filter(() => dice.chance(0.7));
  const meanMs = dice.pick([20 * minuteMs, 60 * minuteMs]);

  function next(): void {
    clock.after(dice.wait(meanMs), null, () => {
      if (world.calm) return;
      const fault = roll(enabled);
      if (fault !== undefined && fault.act() !== false) {
        world.count(`fault: ${fault.name}`);
        world.trace(() => `FAULT ${fault.name}`);
      }
      next();
    });
  }

  function roll(faults: readonly Fault[]): Fault | undefined {
    let at = dice.next() * faults.reduce((sum, { weight }) => sum + weight, 0);
    return faults.find(({ weight }) => (at -= weight) < 0);
  }

  next();
  return {
    heal() {
      for (const device of devices) {
        network.heal(device.wire);
        device.crash = undefined;
        startDevice(world, network, device);
      }
      gateway.start();
    },
    closeEpochs() {
      for (const device of devices) {
        killDevice(world, device);
        startDevice(world, network, device);
      }
    },
  };
}
