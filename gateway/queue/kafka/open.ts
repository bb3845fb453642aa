/**
 * The Kafka queue from its settings: the client, the records, the rules.
 *
 * It works on the gateway's own event loop, a few milliseconds at a time. Rejected: a worker thread (librdkafka's binding
 * calls back on the main thread's loop whichever thread asked, and V8 ends the process; seen), and a process of its own
 * (70 MB more, and every block copied once more).
 */
import type { Logger } from "pino";
import type { Env } from "../../../shared/env.ts";
import type { Queue } from "../queue.ts";
import { connectCluster } from "./client.ts";
import { openKafkaQueue } from "./kafka.ts";
import { recordFormat } from "./record-format.ts";
import { readSecurity } from "./security.ts";
import type { KafkaSettings } from "./settings.ts";
import { keysOf, topicNames } from "./topic-names.ts";

export interface OpenOptions {
  readonly settings: KafkaSettings;
  readonly env: Env;
  readonly log: Logger;
  /** The group that this gateway knows; null where it knows none. */
  readonly groupId: string | null;
  /** Ends the opening, which otherwise waits for the cluster as long as it takes. */
  readonly signal: AbortSignal;
}

const answerMs = 10_000;
const patienceMs = 30_000;
const recordBytesMax = 1_000_000;

/** @throws Fault as openKafkaQueue does */
export async function openKafka({ settings, env, log, groupId, signal }: OpenOptions): Promise<Queue> {
  const { brokers, clientId, namespace, positionsTopic, properties, settleMs } = settings;
  const security = readSecurity(settings.security, properties, env);
  const nowMs = env.monoMs;
  const cluster = await connectCluster({ brokers, clientId, properties, security, answerMs, patienceMs, nowMs });
  const topics = topicNames(settings.topic, (await cluster.topics()).keys());
  const format = recordFormat({ ...settings, topics, keyOf: keysOf(settings.key), recordBytesMax });
  const queue = await openKafkaQueue({
    cluster,
    env,
    log,
    format,
    namespace,
    positionsTopic,
    settleMs,
    groupId,
    signal,
    makeTopic: (name) => Promise.reject(new Error(`${name} is not there`)),
  });
  return {
    ...queue,
    async close() {
      await queue.close();
      await cluster.close();
    },
  };
}
