/** What every history of the Kafka queue stands on: dice, time, a journal, brokers, and what was counted and found. */
import pino, { type Logger } from "pino";
import type { KafkaQueue } from "../../../gateway/queue/kafka/kafka.ts";
import { beyond } from "../../../shared/ranges.ts";
import type { AgentLane } from "../../fakes/agent-lane.ts";
import { type FakeCluster, fakeCluster } from "../../fakes/kafka-cluster.ts";
import { type Clock, createClock } from "../clock.ts";
import { type Dice, seededDice } from "../dice.ts";
import { dataTopic, deadLetterTopic, lossTopic } from "./counted-format.ts";
import { type LightJournal, lightJournal } from "./light-journal.ts";

export interface HistoryResult {
  readonly seed: number;
  readonly findings: readonly { readonly kind: string; readonly text: string }[];
  readonly counts: ReadonlyMap<string, number>;
  readonly events: number;
  readonly fingerprint: number;
}

export interface Ground {
  readonly dice: Dice;
  readonly clock: Clock;
  readonly journal: LightJournal;
  readonly log: Logger;
  count(what: string): void;
  say(line: string): void;
  find(kind: string, text: string): void;
  /** Runs on until nothing waits in the journal, for some 40 minutes at most; what waits then does so for ever. */
  untilDrained(fromMs: number): Promise<void>;
  result(): HistoryResult;
}

export const secondMs = 1_000;
export const minuteMs = 60_000;
export const settleMs = 8_000;
export const namespace = "holdfast";
export const positionsTopic = "positions";
const calmMs = 40 * minuteMs;

export function layGround(seed: number, trace: (line: string) => void, level: "warn" | "info" = "warn"): Ground {
  const clock = createClock();
  const journal = lightJournal();
  const counts = new Map<string, number>();
  const findings: { kind: string; text: string }[] = [];
  const say = (line: string): void => trace(`${(clock.nowMs() / secondMs).toFixed(3)} ${line}`);
  return {
    dice: seededDice(seed),
    clock,
    journal,
    log: pino(
      { level, base: null, timestamp: false },
      { write: (line) => say(`   log ${line.slice(0, 1600).trim()}`) },
    ),
    count: (what) => void counts.set(what, (counts.get(what) ?? 0) + 1),
    say,
    find(kind, text) {
      findings.push({ kind, text });
      say(`FINDING ${kind} ${text}`);
    },
    async untilDrained(fromMs) {
      for (let untilMs = fromMs; untilMs < fromMs + calmMs && journal.waiting() > 0; ) {
        untilMs += minuteMs;
        await clock.run(untilMs);
      }
    },
    result: () => ({ seed, findings, counts, events: clock.events(), fingerprint: clock.fingerprint() }),
  };
}

export interface BrokersOptions {
  /** Also the id of the cluster. */
  readonly name: string;
  readonly shards: number;
  readonly partitions: number;
  /** How often a call fails that ends a transaction. */
  readonly failsAt: number;
  readonly latencyMs: number;
  readonly isCalm: () => boolean;
}

export function brokersOf({ dice, clock, say, count }: Ground, options: BrokersOptions): FakeCluster {
  const { name, shards, partitions, failsAt, latencyMs, isCalm } = options;
  return fakeCluster({
    topics: { [dataTopic]: partitions, [lossTopic]: 1, [deadLetterTopic]: 1, [positionsTopic]: shards },
    nowMs: clock.nowMs,
    clusterId: () => name,
    fault() {
      if (isCalm() || !dice.chance(failsAt)) return undefined;
      const fault = dice.pick(["request lost", "answer lost", "markers late"] as const);
      count(`end of a transaction: ${fault}`);
      return fault;
    },
    pause: () => new Promise((resolve) => void clock.after(dice.wait(latencyMs), null, resolve)),
    transactionTimeoutMs: minuteMs,
    tell: (line) => say(`   ${name} ${line}`),
  });
}

/** What agents were told is forwarded, every later queue must know. */
export function auditKnown({ journal, find }: Ground, lanes: readonly AgentLane[], queue: KafkaQueue): void {
  for (const { lane } of lanes) {
    const [unknown] = beyond(journal.settled(lane), queue.forwarded(lane));
    if (unknown === undefined) continue;
    const words = "was released, and the queue knows nothing of it";
    find("FORGOTTEN", `${lane.agent} ${unknown.first}..${unknown.last} ${words}`);
  }
}
