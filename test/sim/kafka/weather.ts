/** What goes on in a history until the calm: devices bring blocks, and faults strike. */
import { type AgentLane, synced } from "../../fakes/agent-lane.ts";
import { readings } from "../../fakes/counted-blocks.ts";
import type { Ground } from "./ground.ts";
import { pickFault } from "./themes.ts";

export interface Load {
  /** Mean time from one block to the next. */
  readonly everyMs: number;
  /** How many blocks nobody can decode: they become dead letters. */
  readonly deadShare: number;
  readonly isCalm: () => boolean;
  readonly pick: () => AgentLane;
}

export function bringBlocks(ground: Ground, load: Load): void {
  const { dice, clock, journal, count } = ground;
  clock.after(dice.wait(load.everyMs), null, () => {
    if (load.isCalm()) return;
    const lane = load.pick();
    const length = 1 + dice.below(3);
    const block = dice.chance(0.1)
      ? lane.loss(1 + dice.below(2))
      : dice.chance(load.deadShare)
        ? lane.block(length)
        : readings(lane, length);
    const { storeId, run } = lane.record;
    journal.add({ lane: lane.lane, storeId, run, clock: synced, block });
    count("block");
    bringBlocks(ground, load);
  });
}

export interface Strikes<Name extends string> {
  readonly everyMs: number;
  readonly isCalm: () => boolean;
  readonly weights: Readonly<Partial<Record<Name, number>>>;
  /** The kinds that this history has. */
  readonly kinds: readonly Name[];
  /** False where a fault found nothing to strike. */
  readonly faults: Readonly<Record<Name, () => boolean>>;
}

export function strike<Name extends string>(ground: Ground, strikes: Strikes<Name>): void {
  const { dice, clock, say, count } = ground;
  clock.after(dice.wait(strikes.everyMs), null, () => {
    if (strikes.isCalm()) return;
    const name = pickFault(strikes.weights, strikes.kinds, dice);
    if (name !== undefined) {
      say(`FAULT ${name}`);
      if (strikes.faults[name]()) count(`fault: ${name}`);
    }
    strike(ground, strikes);
  });
}
