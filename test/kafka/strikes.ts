/** The blows of the campaign: what is done to gateway and brokers at moments that nobody chose, and how they come back. */
import type { Brokers } from "../../demo/kafka/brokers.ts";
import { sleep, until } from "../../demo/waiting.ts";
import { messageOf } from "../../shared/errors.ts";
import type { KafkaLine } from "./line.ts";

export const killKinds = ["gateway", "gateway at a named point", "one broker", "all brokers"] as const;
export const pauseKinds = ["gateway stalled", "one broker stalled"] as const;
export type StrikeKind = (typeof killKinds)[number] | (typeof pauseKinds)[number];

export interface Strikes {
  /** How often each was done; `all brokers` counts once. */
  readonly counts: Readonly<Record<StrikeKind, number>>;
  /** Ends of processes that nobody asked for, and starts that failed: each is a finding. */
  readonly troubles: readonly string[];
  /** Does one thing; what it ends comes back by itself. */
  strike(): void;
  /** Resolves once everything runs again and stays up. */
  heal(): Promise<void>;
  /** Nothing is started any more. */
  end(): void;
}

/** Points of starts are passed once, the others with every transaction. */
const startPoints = ["kafka shard taken", "kafka shard scanned"];
const points = [
  ...startPoints,
  "kafka readings sent",
  "kafka records sent",
  "kafka transaction committed",
  "journal before commit",
  "journal committed",
];
const passesMax = 30;
const downMsMax = 2_000;
const stallMsMax = 6_000;
/** Of a hundred strikes. */
const weights: readonly (readonly [StrikeKind, number])[] = [
  ["gateway", 38],
  ["gateway at a named point", 25],
  ["one broker", 20],
  ["all brokers", 4],
  ["gateway stalled", 8],
  ["one broker stalled", 5],
];
const healWithinMs = 90_000;

/**
 * Takes the gateway over, which must not run yet, and keeps it up from here on.
 * @param random from 0 to 1
 */
export function openStrikes(line: KafkaLine, brokers: Brokers, random: () => number): Strikes {
  const { gateway } = line;
  const nodes = Array.from({ length: brokers.nodes }, (_, at) => at + 1);
  const counts = Object.fromEntries(weights.map(([kind]) => [kind, 0])) as Record<StrikeKind, number>;
  const troubles: string[] = [];
  const underWay = new Set<Promise<void>>();
  let brokersStruck = false;
  let crashAt: string | undefined;
  let wasAsked = false;
  let ended = false;

  /** Starts the gateway again whatever ended it, now and then so that it dies at a point of its own. */
  async function keepGateway(): Promise<void> {
    while (!ended) {
      const armed = crashAt;
      crashAt = undefined;
      const environment = armed === undefined ? process.env : { ...process.env, HOLDFAST_CRASH_AT: armed };
      const { signal, code } = await gateway.launch({ environment }).ended;
      if (ended) return;
      if (signal !== "SIGKILL") troubles.push(`the gateway ended by itself with ${signal ?? code}`);
      else if (!wasAsked) counts["gateway at a named point"]++;
      wasAsked = false;
      await sleep(random() * downMsMax);
    }
  }

  function killGateway(): void {
    if (!gateway.process().isRunning()) return;
    wasAsked = true;
    counts.gateway++;
    void gateway.kill();
  }

  /** Does something to brokers that ends; meanwhile nothing else is done to them, so that a majority is up. */
  function strikeBrokers(work: () => Promise<void>): void {
    brokersStruck = true;
    const running = work()
      .catch((error: unknown) => void troubles.push(messageOf(error)))
      .finally(() => {
        brokersStruck = false;
        underWay.delete(running);
      });
    underWay.add(running);
  }

  async function killBrokers(victims: readonly number[]): Promise<void> {
    await Promise.all(victims.map((node) => brokers.kill(node)));
    await sleep(random() * downMsMax);
    await Promise.all(victims.map((node) => brokers.start(node)));
  }

  const anyNode = (): number => nodes[Math.floor(random() * nodes.length)] as number;

  const acts: Readonly<Record<StrikeKind, () => void>> = {
    gateway: killGateway,
    "gateway at a named point"() {
      const point = points[Math.floor(random() * points.length)] as string;
      crashAt = `${point}:${startPoints.includes(point) ? 1 : 1 + Math.floor(random() * passesMax)}`;
      killGateway();
    },
    "gateway stalled"() {
      const stalled = gateway.process();
      counts["gateway stalled"]++;
      stalled.signal("SIGSTOP");
      setTimeout(() => stalled.signal("SIGCONT"), random() * stallMsMax);
    },
    "one broker"() {
      counts["one broker"]++;
      strikeBrokers(() => killBrokers([anyNode()]));
    },
    "all brokers"() {
      counts["all brokers"]++;
      strikeBrokers(() => killBrokers(nodes));
    },
    "one broker stalled"() {
      counts["one broker stalled"]++;
      strikeBrokers(async () => {
        const node = anyNode();
        brokers.pause(node);
        await sleep(random() * stallMsMax);
        brokers.resume(node);
      });
    },
  };

  /** By weight; while brokers come back it is the gateway's turn. */
  function anyKind(): StrikeKind {
    let left = random() * 100;
    for (const [kind, weight] of weights) if ((left -= weight) < 0) return kind;
    return "gateway";
  }

  const kept = keepGateway();
  kept.catch((error: unknown) => void troubles.push(messageOf(error)));
  return {
    counts,
    troubles,
    strike() {
      const kind = anyKind();
      acts[brokersStruck && kind.includes("broker") ? "gateway" : kind]();
    },
    async heal() {
      while (underWay.size > 0) await Promise.all(underWay);
      // It may still be armed, and die while everything drains.
      killGateway();
      await until("the gateway answers", () => gateway.status(), healWithinMs);
    },
    end() {
      ended = true;
    },
  };
}
