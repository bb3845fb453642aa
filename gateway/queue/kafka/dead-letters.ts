/** The dead letters of a running Kafka queue: each is replayed by the shard of its agent, as its lanes are written. */
import { Fault } from "../../../shared/errors.ts";
import { type DeadLetters, type Letter, spanOfId } from "../dead-letters.ts";
import type { StoredRecord } from "./cluster.ts";
import { type LetterSource, letterOf } from "./letters.ts";
import type { Shard } from "./shard/shard.ts";
import { troubleFault } from "./trouble.ts";

export interface DeadLetterOptions extends Omit<LetterSource, "nameOf"> {
  readonly format: Pick<LetterSource, "nameOf">;
  /** @throws Fault `closed` once the queue is */
  readonly shardOf: (agent: string) => Pick<Shard, "replay" | "replayed" | "releasedTo">;
  readonly written: () => number;
  /** Called when something was released, when a shard began anew, and when the queue closes. */
  readonly listeners: Set<() => void>;
}

export function openDeadLetters(options: DeadLetterOptions): DeadLetters {
  const { cluster, deadLetterTopic, positionsTopic, namespace, format, listeners } = options;
  const shardOfId = (id: string) => options.shardOf(id.slice(0, id.indexOf("/")));

  /** Waits until a condition holds, which may throw instead. */
  async function until(holds: () => boolean): Promise<void> {
    const held = Promise.withResolvers<void>();
    const look = (): void => {
      try {
        if (holds()) held.resolve();
      } catch (error) {
        held.reject(error);
      }
    };
    listeners.add(look);
    look();
    await held.promise.finally(() => listeners.delete(look));
  }

  async function recordAt(partition: number, offset: number, id: string): Promise<StoredRecord | undefined> {
    const place = { topic: deadLetterTopic, partition };
    const { low, stable } = await cluster.watermarks(place);
    if (offset < low || offset >= stable) return undefined;
    // What could still be lost must not be replayed: its seqs would come again by themselves, perhaps as readings.
    await until(() => offset < shardOfId(id).releasedTo(place));
    let found: StoredRecord | undefined;
    await cluster.read(place, offset, offset + 1, (record) => {
      found = record;
    });
    return found;
  }

  return {
    async find(id, [partition, offset]) {
      let letter: Letter | undefined;
      try {
        const record = spanOfId(id) === undefined ? undefined : await recordAt(partition, offset, id);
        letter = record && letterOf(record, { namespace, nameOf: format.nameOf });
      } catch (error) {
        throw troubleFault(error, positionsTopic);
      }
      if (letter?.id === id) return letter;
      throw new Fault("usage", {
        what: `there is no dead letter ${id} at offset ${offset} of ${deadLetterTopic}, partition ${partition}`,
        remedy: "see `holdfast-gateway dead-letters list`",
      });
    },
    written: options.written,
    replay: (letter, body) => shardOfId(letter.id).replay(letter, body),
    released: (id) =>
      until(() => {
        const state = shardOfId(id).replayed(id);
        if (state !== "open") return state === "replayed";
        throw new Fault("unavailable", {
          what: `the replay of the dead letter ${id} was lost`,
          why: "the cluster lost the end of what it had acknowledged",
          remedy: "replay it again",
          retryable: true,
        });
      }),
  };
}
