/** The beginning of a ledger: what each cluster has is noted, so that it is never sent to the other one. */
import type { KafkaQueue } from "../kafka/kafka.ts";
import { allOf } from "./held.ts";
import { bothSides, type LaneSpans, type Ledger, type LedgerState, type Side } from "./ledger.ts";
import { otherCluster, overtaken } from "./refusals.ts";

export const firstEra = 1;

/**
 * Only with both clusters at hand it can be told what each of them may have.
 * @param given the side that a person has given up; null where none
 * @returns false while one of them is away
 * @throws Fault where these are not the clusters that were met before
 */
export async function beginLedger(
  ledger: Ledger,
  queues: Readonly<Record<Side, KafkaQueue | undefined>>,
  given: Side | null,
): Promise<boolean> {
  if (bothSides.some((side) => side !== given && queues[side] === undefined)) return false;
  const known = ledger.clusterIds();
  const idOf = (side: Side): string | null => queues[side]?.clusterId ?? known?.[side] ?? null;
  const clusterIds = { primary: idOf("primary"), standby: idOf("standby") };
  for (const side of bothSides) {
    const before = known?.[side] ?? null;
    if (before !== null && before !== clusterIds[side]) throw otherCluster(side, `it is ${clusterIds[side]}`);
  }
  if (clusterIds.primary === clusterIds.standby) throw otherCluster("standby", "it is the primary");
  const reservedOf = (queue: KafkaQueue | undefined): LaneSpans[] => (queue === undefined ? [] : allOf(queue));
  const reserved = { primary: reservedOf(queues.primary), standby: reservedOf(queues.standby) };
  const active: Side = given === "primary" ? "standby" : "primary";
  const first: LedgerState = {
    era: firstEra,
    active,
    abandoned: given,
    clusterIds,
    isRepeating: given !== null,
    change: null,
  };
  if (!(await ledger.begin(first, reserved))) throw overtaken();
  return true;
}
