/** Writes changes down in both clusters, where people find them: a record in the positions of each. */
import type { Logger } from "pino";
import type { KafkaQueue } from "../kafka/kafka.ts";
import type { NamedSpans, SwitchRecord } from "../kafka/records/position-records.ts";
import { seqsIn } from "./held.ts";
import type { LaneSpans } from "./ledger.ts";

/** Lanes that a record names: it must stay far below what a topic takes (I8). */
const lanesNamedMax = 500;
const spansNamedMax = 8;

export function openAnnouncer(log: Logger) {
  /** By queue the latest era that it was told of; each opening is another queue. */
  const told = new WeakMap<KafkaQueue, number>();

  /** What fails is tried with the next opening. */
  return (change: SwitchRecord | null, queues: readonly KafkaQueue[]): void => {
    if (change === null) return;
    for (const queue of queues) {
      if (told.get(queue) === change.era) continue;
      told.set(queue, change.era);
      const failed = (error: unknown): void => log.warn({ err: error }, "a change was not written down in a cluster");
      queue.noteSwitch(change).catch(failed);
    }
  };
}

/** @param held what the side may have that is left or given up @param isRepeated where it is sent to the other one, marked */
export function recordOf(
  change: Pick<SwitchRecord, "era" | "from" | "to" | "atMs" | "cause">,
  held: readonly LaneSpans[],
  isRepeated: boolean,
): SwitchRecord {
  const [seqs, lanes] = [seqsIn(held), named(held)];
  return isRepeated
    ? { ...change, heldSeqs: 0, held: [], repeatedSeqs: seqs, repeated: lanes }
    : { ...change, heldSeqs: seqs, held: lanes, repeatedSeqs: 0, repeated: [] };
}

function named(names: readonly LaneSpans[]): NamedSpans {
  return names.slice(0, lanesNamedMax).map(({ lane: { agent, stream, epoch }, spans }) => {
    const texts = spans.slice(0, spansNamedMax).map(({ first, last }) => `${first}-${last}`);
    return [agent, stream, epoch, ...texts];
  });
}
