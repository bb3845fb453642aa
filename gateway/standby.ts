/** `standby`: how the two clusters are, and what a person decides about them. */
import { Fault } from "../shared/errors.ts";
import { countText } from "../shared/human.ts";
import type { Voice } from "../shared/voice.ts";
import type { GatewayConfig } from "./config.ts";
import { askRunning } from "./control.ts";
import { giveUp } from "./give-up.ts";
import { bothSides, otherSide, type Side } from "./queue/standby/ledger.ts";
import type { StandbyQueue, StandbyStatus } from "./queue/standby/standby.ts";

/** Its name at the socket of the running gateway. */
export const standbyTask = "/standby";

const deeds = ["show", "switch", "abandon", "renew"] as const;

export interface StandbyWish {
  readonly deed: (typeof deeds)[number];
  /** The side that it is about; the other one than the active one where it is not named. */
  readonly side: Side | null;
}

const waitMs = 15_000;

/** A wish from outside. @throws Fault `usage` */
export function readStandbyWish(value: unknown): StandbyWish {
  const { deed, side } = (value ?? {}) as Partial<Record<keyof StandbyWish, unknown>>;
  const known = deeds.find((one) => one === deed);
  const named = bothSides.find((one) => one === side) ?? null;
  if (known !== undefined && (named !== null || side === null || side === undefined))
    return { deed: known, side: named };
  throw new Fault("usage", {
    what: "that is no wish about the standby",
    remedy: "see `holdfast-gateway standby --help`",
  });
}

/** @throws Fault `usage` where there is one cluster, or what is wished for makes no sense now */
export async function wishOf(
  standby: StandbyQueue | undefined,
  { deed, side }: StandbyWish,
): Promise<readonly StandbyStatus[]> {
  if (standby === undefined) throw noStandby();
  const { active } = standby.status();
  const meant = side ?? (active === null ? "standby" : otherSide(active));
  if (deed === "switch") await standby.switchTo(meant);
  else if (deed === "abandon") await standby.abandon(meant);
  else if (deed === "renew") await standby.renew(meant);
  return [standby.status()];
}

function noStandby(): Fault {
  return new Fault("usage", {
    what: "the queue of this gateway stands on one cluster",
    remedy: "name a second one in queue.kafka.standby, with form: switch",
  });
}

/** Asks the gateway that runs. @throws Fault `unavailable` where none does; a cluster can be given up all the same */
export async function askStandby(
  { stateFolder, queue }: GatewayConfig,
  wish: StandbyWish,
  voice: Voice,
): Promise<StandbyStatus | undefined> {
  if (queue.engine !== "kafka" || queue.standby?.form !== "switch") throw noStandby();
  const answered = await askRunning(stateFolder, standbyTask, wish, waitMs);
  if (answered !== undefined) return answered[0] as StandbyStatus;
  if (wish.deed === "abandon" && wish.side !== null) {
    giveUp(stateFolder, wish.side);
    voice.note(
      `no gateway runs, or it waits for its clusters: the ${wish.side} counts as given up from the next start on`,
    );
    return undefined;
  }
  throw new Fault("unavailable", {
    what: `no gateway runs on ${stateFolder}, or it waits for its clusters`,
    remedy: "start it; its log tells what it waits for",
  });
}

/** The lines of a status about the two clusters. */
export function standbyLines(status: StandbyStatus): [string, string][] {
  const { active, era, abandoned, heldSeqs, doubtedSeqs, clusters, trouble } = status;
  const cluster = (side: Side): string => {
    const is = side === abandoned ? "given up" : clusters[side].answers ? "answers" : "does not answer";
    return `${is}${side === active ? ", takes the readings" : ""}${clusters[side].trouble === null ? "" : `: ${clusters[side].trouble}`}`;
  };
  return [
    ["primary", cluster("primary")],
    ["standby", cluster("standby")],
    ["era", trouble === null ? String(era) : `${era}: ${trouble}`],
    ["held", `${countText(heldSeqs)} seqs that the other cluster may have`],
    ...(doubtedSeqs === 0 ? [] : [["in doubt", `${countText(doubtedSeqs)} seqs, sent marked`] as [string, string]]),
  ];
}
