/** A queue on two clusters in memory, with a ledger that outlives it. */

import { until } from "../../demo/waiting.ts";
import type { Ledger, Side } from "../../gateway/queue/standby/ledger.ts";
import type { StandbyRules } from "../../gateway/queue/standby/policy.ts";
import { type StandbyQueue, standbyQueue } from "../../gateway/queue/standby/standby.ts";
import { hex, realEnv } from "../../shared/env.ts";
import { silent } from "./journal-in-memory.ts";
import { type FakeCluster, fakeCluster } from "./kafka-cluster.ts";
import { openTestQueue, type QueueTopics } from "./kafka-queue.ts";

export interface TwoClusters {
  readonly clusters: Readonly<Record<Side, FakeCluster>>;
  /** Opens the queue on both, and waits until it takes something. */
  open(ledger: Ledger, rules?: Partial<StandbyRules>): Promise<StandbyQueue>;
}

const onCommand: StandbyRules = { isAutomatic: false, switchAfterMs: 1e9, backAfterMs: 1e9, inDoubt: "hold" };

export function twoClusters(topics: QueueTopics, shards = 1): TwoClusters {
  const { readings, losses, deadLetters, positions } = topics;
  const clusterOf = (side: Side): FakeCluster =>
    fakeCluster({
      topics: { [readings]: 1, [losses]: 1, [deadLetters]: 1, [positions]: shards },
      nowMs: () => performance.now(),
      clusterId: () => side,
    });
  const clusters = { primary: clusterOf("primary"), standby: clusterOf("standby") };
  const env = { ...realEnv(), random: () => 0 };
  let groupId: string | undefined;

  return {
    clusters,
    async open(ledger, rules = {}) {
      if (groupId === undefined) {
        const first = await openTestQueue(clusters.primary.connect(), topics, null);
        groupId = first.groupId;
        await first.close();
      }
      const known = groupId;
      const queue = standbyQueue({
        groupId: known,
        remembered: [],
        open(side, mayMake, signal) {
          const make = mayMake ? { groupId: known, queueId: hex(env.randomBytes(16)) } : null;
          return openTestQueue(clusters[side].connect(), topics, known, { make, signal });
        },
        rules: { ...onCommand, ...rules },
        abandoned: null,
        env,
        log: silent,
      });
      queue.begin({ ledger, journalId: () => "journal", meetQueue: () => Promise.resolve() });
      await until("the queue takes something", () => queue.status().trouble === null, 10_000, 5);
      return queue;
    },
  };
}
