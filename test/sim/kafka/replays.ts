/**
 * Dead letters in the simulation: people who want them back, now at one gateway and now at all of them at once, and in
 * the end everything back that is not back yet.
 */
import { letterOf } from "../../../gateway/queue/kafka/letters.ts";
import type { Queue } from "../../../gateway/queue/queue.ts";
import { type Answer, openReplayer, type Replayer, type Wish } from "../../../gateway/replay-letters.ts";
import type { FakeCluster } from "../../fakes/kafka-cluster.ts";
import { readingsOutcome } from "../../fakes/kafka-records.ts";
import type { Clock } from "../clock.ts";
import type { Dice } from "../dice.ts";
import { countedFormat, deadLetterTopic } from "./counted-format.ts";

export interface ReplaysOptions {
  readonly cluster: FakeCluster;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly namespace: string;
  readonly say: (line: string) => void;
  readonly count: (what: string) => void;
  readonly find: (kind: string, text: string) => void;
  /** The mean time from one wish to the next. */
  readonly wishMs: number;
  /** Of the gateways that run. */
  readonly replayers: () => readonly Replayer[];
}

/** Slow brokers take a second for each call, and there may be hundreds of dead letters. */
const patienceMs = 3 * 3_600_000;
const stepMs = 10_000;

/** Replays of a gateway that knows how to read what was nothing to the forwarder; what it reads, nobody looks at. */
export function replayerOf(queue: Queue): Replayer {
  const { body } = readingsOutcome([{ name: "level", timeUs: 1e15, value: 1, stamped: true }]);
  return openReplayer(queue, () => body);
}

export function wantReplays(options: ReplaysOptions) {
  const { cluster, clock, dice, namespace, say, count, find, replayers, wishMs } = options;
  const { nameOf } = countedFormat(namespace, 1);
  /** Dead letters that somebody was told to be replayed. */
  const done = new Set<string>();
  let over = false;

  function letters(): Wish[] {
    return cluster.committed({ topic: deadLetterTopic, partition: 0 }).flatMap((record): Wish[] => {
      const letter = letterOf(record, { namespace, nameOf });
      return letter === undefined ? [] : [{ id: letter.id, place: [0, record.offset] }];
    });
  }

  async function replay(replayer: Replayer, wishes: readonly Wish[]): Promise<readonly Answer[]> {
    try {
      const answers = await replayer.replay(wishes);
      for (const { id, fault } of answers) {
        say(`   replay of ${id}: ${fault?.what ?? "done"}`);
        count(`replay: ${fault?.code ?? "done"}`);
        if (fault === null) done.add(id);
      }
      return answers;
    } catch (error) {
      find("FAILED", String((error as Error).stack));
      return [];
    }
  }

  function begin(): void {
    clock.after(dice.wait(wishMs), null, () => {
      if (over) return;
      begin();
      const known = letters();
      if (known.length === 0) return;
      // The youngest are those that could still be lost.
      const wanted = [dice.chance(0.5) ? (known.at(-1) as Wish) : dice.pick(known)];
      say(`WISH ${wanted[0]?.id}`);
      for (const replayer of replayers().slice(dice.chance(0.4) ? 0 : -1)) void replay(replayer, wanted);
    });
  }

  return {
    begin,
    done,
    end(): void {
      over = true;
    },
    /** Whoever asks for everything in the calm gets it, or is told that it is there. */
    async everything(): Promise<void> {
      const untilMs = clock.nowMs() + patienceMs;
      let open = letters();
      let asked = 0;
      let isAsked = false;
      while (open.length > 0 && clock.nowMs() < untilMs) {
        const known = replayers();
        // Of two gateways that started at once one has lost the shards to the other.
        const replayer = known[asked % known.length];
        if (!isAsked && replayer !== undefined) {
          isAsked = true;
          asked++;
          void replay(replayer, open).then((answers) => {
            isAsked = false;
            const again = new Set(answers.flatMap(({ id, fault }) => (isPassing(fault) ? id : [])));
            for (const { id } of open) if (!again.has(id)) done.add(id);
            open = open.filter(({ id }) => again.has(id));
          });
        }
        await clock.run(clock.nowMs() + stepMs);
      }
      if (open.length > 0) find("UNREPLAYED", `${open.length} dead letters, such as ${open[0]?.id}`);
    },
  };
}

function isPassing(fault: Answer["fault"]): boolean {
  return fault !== null && fault.code !== "usage";
}
