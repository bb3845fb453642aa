/** What goes wrong with the gateway: its process, its journal and its queue; and what its operator does. */
import type { Journal, Report } from "../../gateway/journal/journal.ts";
import { messageOf } from "../../shared/errors.ts";
import { damagePayloads, waitingEntries } from "./damage.ts";
import type { Dice } from "./dice.ts";
import { type Fault, hourMs, minuteMs } from "./fault.ts";
import type { JournalImage } from "./gateway.ts";
import { limitPages } from "./memory.ts";
import type { Simulation } from "./run.ts";
import type { World } from "./world.ts";

/** An operator declares lost what one report names, and nothing else. */
export function declareLost(world: World, journal: Journal, { lane, spans, kind }: Report): void {
  world.trace(
    () => `operator declares ${kind} ${lane.agent}/${lane.stream}/${lane.epoch.slice(0, 4)} ${JSON.stringify(spans)}`,
  );
  journal.declareLost(lane, spans, kind).then(
    (seqs) => world.count("seqs declared lost", seqs),
    (error: unknown) => world.trace(() => `declare-lost failed: ${messageOf(error)}`),
  );
}

export function gatewayFaults({ world, gateway }: Simulation, dice: Dice): Fault[] {
  const { clock } = world;
  let backup: JournalImage | null = null;

  /** Kills the gateway, changes its disk, and starts it again later. */
  function whileDown(change: () => void): boolean {
    gateway.kill();
    change();
    clock.after(dice.wait(3 * minuteMs), null, () => gateway.start());
    return true;
  }

  // An operator looks at the reports now and then, in some seeds often.
  if (dice.chance(0.7)) operate(dice.pick([3, 60]) * minuteMs);
  return [
    { name: "gateway crash", weight: 4, strike: () => whileDown(() => {}) },
    {
      name: "gateway stalled",
      weight: 1,
      strike() {
        gateway.stall(dice.wait(minuteMs));
        return true;
      },
    },
    {
      name: "journal backed up",
      weight: 2,
      strike() {
        backup = gateway.image();
        return true;
      },
    },
    {
      name: "journal file put back",
      weight: 1,
      strike() {
        const image = backup;
        return image !== null && whileDown(() => gateway.putBack(image.file, gateway.image().copy));
      },
    },
    {
      name: "journal and its copy put back",
      weight: 1,
      strike() {
        const image = backup;
        return image !== null && whileDown(() => gateway.putBack(image.file, image.copy));
      },
    },
    {
      name: "journal lost",
      weight: 1,
      strike: () => whileDown(() => gateway.putBack(null, dice.chance(0.5) ? null : gateway.image().copy)),
    },
    { name: "journal block damaged", weight: 2, strike: damagePayload },
    { name: "journal row damaged", weight: 1, strike: damageRow },
    {
      name: "journal disk full",
      weight: 1,
      strike() {
        limitPages(gateway.db(), dice.below(4));
        clock.after(dice.wait(hourMs), null, () => limitPages(gateway.db(), null));
        return true;
      },
    },
    {
      name: "queue full",
      weight: 1,
      strike() {
        gateway.setQueueFull(true);
        clock.after(dice.wait(2 * hourMs), null, () => gateway.setQueueFull(false));
        return true;
      },
    },
  ];

  function isThere(table: string): boolean {
    return gateway.db().prepare("SELECT 1 FROM sqlite_schema WHERE name=?").get(table) !== undefined;
  }

  function idsOf(table: string): number[] {
    return isThere(table) ? (gateway.db().prepare(`SELECT id FROM ${table}`).pluck().all() as number[]) : [];
  }

  function damagePayload(): boolean {
    const lanes = waitingEntries(gateway.db(), null);
    if (lanes.length === 0) return false;
    // The first that waits of a lane, or any: what is missing at the beginning of a block that another copy merged looks
    // different from what is missing within it.
    const firsts = lanes.flatMap((entries) => entries.slice(0, 1));
    damagePayloads(gateway.db(), [dice.pick(dice.chance(0.5) ? firsts : lanes.flat())], dice);
    return true;
  }

  /** Damages the head of a waiting entry or the row of a lane, which is found when it is read again. */
  function damageRow(): boolean {
    const table = dice.pick(["entries", "lanes"] as const);
    const ids = idsOf(table);
    if (ids.length === 0) return false;
    gateway
      .db()
      .prepare(`UPDATE ${table} SET ${table === "entries" ? "first = first + 1" : "run = run + 1"} WHERE id=?`)
      .run(dice.pick(ids));
    return true;
  }

  function operate(meanMs: number): void {
    clock.after(dice.wait(meanMs), null, () => {
      if (world.calm) return;
      const journal = gateway.journal();
      const reports = journal?.reports() ?? [];
      if (journal !== undefined && reports.length > 0) {
        world.count("fault: declared lost");
        declareLost(world, journal, dice.pick(reports));
      }
      operate(meanMs);
    });
  }
}
