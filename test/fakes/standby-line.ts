/** Journal, forwarder and a queue on two clusters in memory; each start is what a gateway does after it was killed. */
import type { TestContext } from "node:test";
import { until } from "../../demo/waiting.ts";
import { type Forwarder, startForwarder } from "../../gateway/forwarder/forwarder.ts";
import { identityInMemory } from "../../gateway/journal/identity.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { positionsIn } from "../../gateway/journal/remembered.ts";
import type { KafkaQueue } from "../../gateway/queue/kafka/kafka.ts";
import type { LanePosition } from "../../gateway/queue/queue.ts";
import type { Side } from "../../gateway/queue/standby/ledger.ts";
import { type StandbyQueue, standbyQueue } from "../../gateway/queue/standby/standby.ts";
import { hex, realEnv } from "../../shared/env.ts";
import { type Db, openDatabase } from "../../shared/sqlite.ts";
import type { AgentLane } from "./agent-lane.ts";
import { readings } from "./counted-blocks.ts";
import { journalInMemory, silent } from "./journal-in-memory.ts";
import { type FakeCluster, fakeCluster } from "./kafka-cluster.ts";
import { openTestQueue, topicsIn } from "./kafka-queue.ts";

const topics = topicsIn("holdfast");
const rules = { isAutomatic: false, switchAfterMs: 1e9, backAfterMs: 1e9, inDoubt: "hold" as const };

export interface Started {
  readonly queue: StandbyQueue;
  readonly journal: Journal;
  /** Resolves once the queue takes something. */
  ready(): Promise<void>;
  /** The agent's next readings, journaled and drained. */
  bring(lane: AgentLane, count: number): Promise<void>;
  /** What the journal knows as forwarded. */
  forwarded(lane: AgentLane): number[][];
  /** Ends without a word to the journal, as a kill does. */
  die(): Promise<void>;
}

export interface StandbyLine {
  readonly db: Db;
  readonly clusters: Record<Side, FakeCluster>;
  start(): Promise<Started>;
  /** The queue on one of the clusters alone. */
  alone(side: Side, adopt?: readonly LanePosition[]): Promise<KafkaQueue>;
  journalOn(queue: KafkaQueue): Promise<Journal>;
}

export function clusterOf(id: string): FakeCluster {
  const { readings: data, losses, deadLetters, positions } = topics;
  return fakeCluster({
    topics: { [data]: 1, [losses]: 1, [deadLetters]: 1, [positions]: 1 },
    nowMs: () => performance.now(),
    clusterId: () => id,
  });
}

export async function standbyLine(t: TestContext): Promise<StandbyLine> {
  const clusters = { primary: clusterOf("A"), standby: clusterOf("B") };
  const env = { ...realEnv(), random: () => 0 };
  const db = openDatabase(":memory:", { cacheBytes: 1024 * 1024 });
  const copy = identityInMemory();
  const first = await openTestQueue(clusters.primary.connect(), topics, null);
  const { groupId } = first;
  await first.close();
  let isNew = true;

  async function start(): Promise<Started> {
    const queue = standbyQueue({
      groupId,
      remembered: isNew ? [] : (positionsIn(db) ?? []),
      open(side, mayMake, signal) {
        const make = mayMake ? { groupId, queueId: hex(env.randomBytes(16)) } : null;
        return openTestQueue(clusters[side].connect(), topics, groupId, { make, signal });
      },
      rules,
      abandoned: null,
      env,
      log: silent,
    });
    if (isNew) {
      queue.start();
      await until("both clusters answer", () => queue.reach() === "all", 10_000, 5);
    }
    isNew = false;
    const { journal } = await journalInMemory(queue.seeding, db, copy);
    queue.begin({
      ledger: journal.ledger,
      journalId: () => journal.journalId(),
      meetQueue: () => journal.meetQueue(),
    });
    const forwarder: Forwarder = startForwarder({ journal, queue, env, log: silent });
    const die = async (): Promise<void> => {
      await queue.close();
      await forwarder.close();
    };
    t.after(die);
    return {
      queue,
      journal,
      die,
      ready: async () => {
        await until("the queue takes something", () => queue.status().trouble === null, 10_000, 5);
      },
      async bring(lane, count) {
        await journal.take(lane.lane.agent, lane.batch([readings(lane, count)]));
        await until("all is forwarded", () => journal.usage().blocks === 0, 10_000, 5);
      },
      forwarded: (lane) => journal.ledger.forwarded(lane.lane).map(({ first, last }) => [first, last]),
    };
  }

  return {
    db,
    clusters,
    start,
    alone: (side, adopt) => openTestQueue(clusters[side].connect(), topics, groupId, adopt && { adopt }),
    journalOn: async (queue) => (await journalInMemory(queue, db, copy)).journal,
  };
}
