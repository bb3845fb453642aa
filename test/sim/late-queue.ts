/** A queue that cannot be reached when a gateway starts, and one that can lose what it has not released. */
import { positionsIn } from "../../gateway/journal/remembered.ts";
import { type LateQueue, lateQueue } from "../../gateway/queue/late.ts";
import type { Db } from "../../shared/sqlite.ts";
import type { FakeQueue } from "../fakes/queue.ts";
import type { Dice } from "./dice.ts";
import type { World } from "./world.ts";

const minuteMs = 60_000;
/** How long a queue stays away from a gateway that started without it, on average. */
export const lateMs = 30 * minuteMs;
/** How long after a commit it cannot be lost any more, and how often what can be is, on average. */
const settleMs = 5 * minuteMs;
const tailLostMs = 60 * minuteMs;

/** Now and then, what stands for the queue of a gateway that starts without it: its journal must know it. */
export function lateHandle(world: World, dice: Dice, journal: Db, groupId: string): LateQueue | undefined {
  if (world.calm || !dice.chance(0.2)) return undefined;
  try {
    const remembered = positionsIn(journal);
    return remembered === undefined ? undefined : lateQueue(groupId, remembered);
  } catch {
    return undefined;
  }
}

export function settleLater({ clock }: World, dice: Dice): (release: () => void) => void {
  return (release) => void clock.after(dice.wait(settleMs), null, release);
}

/** Loses the end of the queue now and then, as a cluster does whose machines lose power. */
export function loseTails(world: World, dice: Dice, queue: FakeQueue): void {
  world.clock.after(dice.wait(tailLostMs), null, () => {
    if (world.calm) return;
    const unreleased = queue.unreleased();
    if (unreleased > 0) {
      world.count("queue lost its tail");
      world.trace(() => `queue loses the latest of ${unreleased} steps`);
      queue.loseTail(1 + dice.below(unreleased));
    }
    loseTails(world, dice, queue);
  });
}
