/** A machine that is cut off, is resumed elsewhere from a snapshot, and whose copies come to the gateway one by one. */
import type { Copies } from "./copies.ts";
import { damagePayloads, type Waiting, waitingEntries } from "./damage.ts";
import type { Device } from "./device.ts";
import type { Dice } from "./dice.ts";
import { hourMs, minuteMs } from "./fault.ts";
import type { Simulation } from "./run.ts";

export interface Moves {
  /** One copy gets its link back, works for a while and ends, by a restart or for good; the other comes back last. */
  move(device: Device): boolean;
  /**
   * The card of the copy that comes first goes back to before it delivered, so that there merges into one block what the
   * journal has in pieces; of these the journal loses some before that card comes again, and afterwards whatever lies
   * behind what was cut again. The other copy then finds ranges of unknown ends that part its own blocks.
   */
  moveAndPutBack(device: Device): boolean;
}

/** What happens in turn, each after a time. */
type Steps = readonly (readonly [waitMs: number, step: () => void])[];

export function createMoves({ world, network, gateway }: Simulation, copies: Copies, dice: Dice): Moves {
  const { clock } = world;
  /** One at a time is put back: they would open the queue to each other. */
  let isPuttingBack = false;

  /** Cuts a machine off and forks it after a while; `then` is told which copy comes first, or undefined without a fork. */
  function split(
    device: Device,
    meanMs: number,
    then: (pair: { early: Device; late: Device } | undefined) => void,
  ): void {
    network.cut(device.wire);
    clock.after(dice.wait(meanMs), null, () => {
      const copy = copies.fork(device);
      if (copy === undefined) {
        network.heal(device.wire);
        return then(undefined);
      }
      network.cut(copy.wire);
      then(dice.chance(0.5) ? { early: device, late: copy } : { early: copy, late: device });
    });
  }

  /** What is left of the steps when the faults end is left out. */
  function inTurn(steps: Steps): void {
    let atMs = 0;
    for (const [waitMs, step] of steps) {
      atMs += waitMs;
      clock.after(atMs, null, () => {
        if (!world.calm) step();
      });
    }
  }

  /** Damages what waits of an agent in the journal. */
  function damage({ options }: Device, choose: (lane: readonly Waiting[]) => readonly Waiting[]): void {
    const db = gateway.db();
    for (const lane of waitingEntries(db, options.agent)) damagePayloads(db, choose(lane), dice);
  }

  function putBackSteps(early: Device, late: Device): Steps {
    let before = copies.backUp(early);
    const deliver = (): void => {
      before = copies.backUp(early);
      gateway.setQueueFull(true);
      network.heal(early.wire);
    };
    const goBack = (): void => {
      network.cut(early.wire);
      copies.putBack(early, before);
      damage(early, (lane) => lane.filter(() => dice.chance(0.5)));
    };
    const end = (): void => {
      copies.takeAway(early);
      damage(early, (lane) => lane.slice(1 + lane.findLastIndex(({ after }) => after === null)));
      gateway.setQueueFull(false);
    };
    const restartLate = (): void => {
      copies.restart(late);
      isPuttingBack = false;
    };
    return [
      // Blocks merge hourly: at first these have not, when the card comes again they have.
      [20 * minuteMs + dice.wait(20 * minuteMs), deliver],
      [5 * minuteMs + dice.wait(10 * minuteMs), goBack],
      [hourMs + dice.wait(20 * minuteMs), () => network.heal(early.wire)],
      [10 * minuteMs + dice.wait(10 * minuteMs), end],
      [5 * minuteMs + dice.wait(20 * minuteMs), () => network.heal(late.wire)],
      [10 * minuteMs + dice.wait(hourMs), restartLate],
    ];
  }

  return {
    move(device) {
      if (device.wire.isCut || device.process === null) return false;
      split(device, 2 * hourMs, (pair) => {
        if (pair === undefined) return;
        const { early, late } = pair;
        const healMs = dice.wait(5 * minuteMs);
        const worksMs = dice.wait(dice.pick([5 * minuteMs, hourMs]));
        clock.after(healMs, null, () => network.heal(early.wire));
        clock.after(healMs + worksMs, null, () => (dice.chance(0.6) ? copies.takeAway(early) : copies.restart(early)));
        clock.after(2 * hourMs + dice.wait(4 * hourMs), null, () => network.heal(late.wire));
      });
      return true;
    },
    moveAndPutBack(device) {
      if (isPuttingBack || device.wire.isCut || device.process === null) return false;
      isPuttingBack = true;
      split(device, 10 * minuteMs, (pair) => {
        if (pair === undefined) isPuttingBack = false;
        else inTurn(putBackSteps(pair.early, pair.late));
      });
      return true;
    },
  };
}
