/** Writes changes down in both clusters, where people find them: a record in the positions of each. */
import type { Logger } from "pino";
import type { KafkaQueue } from "../kafka/kafka.ts";
import type { NamedSpans, SwitchRecord } from "../kafka/records/position-records.ts";
import { type Held, seqsIn } from "./held.ts";
import type { Change } from "./ledger.ts";

/** Lanes that a record names: it must stay far below what a topic takes (I8). */
const lanesNamedMax = 500;
const spansNamedMax = 8;

export function openAnnouncer(log: Logger) {
  /** By queue the latest era that it was told of; each opening is another queue. */
  const told = new WeakMap<KafkaQueue, number>();

  /** What fails is tried with the next opening. */
  return (change: Change | null, queues: readonly KafkaQueue[], held: Held, repeated: Held): void => {
    if (change === null) return;
    for (const queue of queues) {
      if (told.get(queue) === change.era) continue;
      told.set(queue, change.era);
      const failed = (error: unknown): void => log.warn({ err: error }, "a change was not written down in a cluster");
      queue.noteSwitch(recordOf(change, held, repeated)).catch(failed);
    }
  };
}

function recordOf(change: Change, held: Held, repeated: Held): SwitchRecord {
  const [heldSeqs, repeatedSeqs] = [seqsIn(held.values()), seqsIn(repeated.values())];
  return { ...change, heldSeqs, held: named(held), repeatedSeqs, repeated: named(repeated) };
}

function named(names: Held): NamedSpans {
  return [...names.values()].slice(0, lanesNamedMax).map(({ lane: { agent, stream, epoch }, spans }) => {
    const texts = spans.slice(0, spansNamedMax).map(({ first, last }) => `${first}-${last}`);
    return [agent, stream, epoch, ...texts];
  });
}
