/** Which faults a seed has is rolled per seed, when they strike is a Poisson process. */
import { killDevice, startDevice } from "./device.ts";
import { deviceFaults } from "./device-faults.ts";
import { type Fault, minuteMs } from "./fault.ts";
import { gatewayFaults } from "./gateway-faults.ts";
import { limitPages } from "./memory.ts";
import type { Simulation } from "./run.ts";

export interface Faults {
  /** Ends all faults: from here on everything can settle. */
  heal(): void;
  /** Restarts every process whose epoch is its own, and every fork that waits for its epoch to close. */
  closeEpochs(): void;
}

/** Faults that together make histories which chance seldom finds. */
const themes: readonly (readonly string[])[] = [
  // Journals die before the queue has what the stores have let go: seqs are gone, and declared lost.
  ["journal lost", "journal block damaged", "queue full", "gateway crash", "link cut"],
  // Two processes write under one name.
  ["machine forked", "journal lost", "queue full", "link cut", "copy taken away"],
  ["machine forked", "journal lost", "agent crash", "store backed up", "store put back"],
  // The copies come to the gateway one after the other, and what the first one wrote is cut out of the journal or lost.
  ["machine moved", "journal block damaged", "queue full"],
  ["machine moved", "journal lost", "queue full", "agent restart"],
  ["machine moved and put back"],
];

/** Both copies of a forked process deliver at once, and what one drops the other has delivered. */
const floodTheme: readonly string[] = ["machine forked", "link cut", "copy taken away"];

export function startFaults(sim: Simulation): Faults {
  const { world, gateway, network, devices } = sim;
  const dice = world.dice.split();
  // Each seed has some of the faults, some of these often: histories of few kinds go deeper than histories of all.
  const share = dice.pick([0.2, 0.5, 0.9]);
  const theme = sim.isFlooded ? floodTheme : dice.chance(0.4) ? dice.pick(themes) : undefined;
  const enabled = [...deviceFaults(sim, dice), ...gatewayFaults(sim, dice)]
    .filter(({ name }) => (theme === undefined ? dice.chance(share) : theme.includes(name)))
    .map((fault) => ({ ...fault, weight: fault.weight * dice.pick([0.3, 1, 4]) }));
  const meanMs = dice.pick([6, 15, 45]) * minuteMs;

  function roll(): Fault | undefined {
    let at = dice.next() * enabled.reduce((sum, { weight }) => sum + weight, 0);
    return enabled.find(({ weight }) => {
      at -= weight;
      return at < 0;
    });
  }

  function next(): void {
    world.clock.after(dice.wait(meanMs), null, () => {
      if (world.calm) return;
      const fault = roll();
      if (fault !== undefined) {
        world.trace(() => `FAULT ${fault.name}`);
        if (fault.strike()) world.count(`fault: ${fault.name}`);
      }
      next();
    });
  }

  // A fault that never strikes shows as a zero.
  for (const { name } of enabled) world.count(`fault: ${name}`, 0);
  next();
  return {
    heal() {
      gateway.setQueueFull(false);
      limitPages(gateway.db(), null);
      gateway.start();
      sim.foreign?.start();
      for (const device of devices) {
        network.heal(device.wire);
        device.crash = undefined;
        limitPages(device.db, null);
        device.ballastPages = null;
        startDevice(world, network, device);
      }
    },
    closeEpochs() {
      for (const device of devices) {
        const lanes = device.process?.store.lanes() ?? [];
        const isForked = lanes.some((lane) => world.oracle.forkedEpochs.has(lane.epoch));
        const waits = lanes.some((lane) => lane.waiting.length > 0);
        if (isForked && !waits) continue;
        killDevice(world, device);
        startDevice(world, network, device);
      }
    },
  };
}
