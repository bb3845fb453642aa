/** The queue's contract suite on three brokers: each record has three copies, and counts once two brokers have it. */
import { after, before } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { openKafka } from "../../gateway/queue/kafka/open.ts";
import { realEnv } from "../../shared/env.ts";
import { queueContract } from "../contract/queue.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { type Open, realQueue, settingsOf } from "./queue-under-test.ts";

const missing = clusterMissing();
let brokers: Brokers;

before(async () => {
  if (missing === undefined) brokers = await startBrokers(3);
});
after(() => brokers?.stop());

queueContract("Kafka, three brokers, three shards", (t) => {
  const { signal } = new AbortController();
  const open: Open = (_, topics, groupId) => {
    return openKafka({ settings: settingsOf(brokers, topics), env: realEnv(), log: silent, groupId, signal });
  };
  return missing ?? realQueue(t, brokers, 3, open);
});
