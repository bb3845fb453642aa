/**
 * The Kafka queue from its settings: the client, the records, the rules.
 *
 * It works on the gateway's own event loop, a few milliseconds at a time. Rejected: a worker thread (librdkafka's binding
 * calls back on the main thread's loop whichever thread asked, and V8 ends the process; seen), and a process of its own
 * (46 MB for a bare Node alone, and every block copied once more).
 */
import type { Logger } from "pino";
import type { Env } from "../../../shared/env.ts";
import type { LanePosition } from "../queue.ts";
import { openAdmin } from "./client/admin.ts";
import { connectCluster } from "./client/client.ts";
import { readSecurity } from "./client/security.ts";
import type { TopicInfo } from "./cluster.ts";
import { explained } from "./explained.ts";
import { type KafkaQueue, openKafkaQueue } from "./kafka.ts";
import { connectMirror } from "./mirror/connect.ts";
import { patiently } from "./patience.ts";
import { recordFormat } from "./records/record-format.ts";
import { keepRoom } from "./room.ts";
import type { KafkaSettings } from "./settings.ts";
import { keysOf, topicNames } from "./topics/topic-names.ts";
import { inspectTopics, makeTopic, prepareTopics } from "./topics/topics.ts";

export interface OpenOptions {
  readonly settings: KafkaSettings;
  readonly env: Env;
  readonly log: Logger;
  /** The group that this gateway knows; null where it knows none. */
  readonly groupId: string | null;
  /** Given where an empty positions topic is to hold the queue of that group. */
  readonly make?: { readonly groupId: string; readonly queueId: string } | null;
  /** Given where lost positions are rebuilt: what the journal remembers as forwarded. */
  readonly rebuild?: readonly LanePosition[];
  /** What another cluster had and had released: from here on this one tells of it. */
  readonly adopt?: readonly LanePosition[];
  /** Ends the opening, which otherwise waits for the cluster as long as it takes. */
  readonly signal: AbortSignal;
}

const answerMs = 10_000;
const patienceMs = 30_000;

/** Sees to the topics, then opens the queue. @throws Fault as prepareTopics and openKafkaQueue do */
export async function openKafka(options: OpenOptions): Promise<KafkaQueue> {
  const { settings, env, log, groupId, make = null, rebuild, adopt, signal } = options;
  const { brokers, clientId, namespace, positionsTopic, deadLetterTopic, properties, settleMs } = settings;
  const security = readSecurity(settings.security, properties, env);
  const patience = { env, log, positionsTopic, signal };
  const nowMs = env.monoMs;
  const admin = await openAdmin({ brokers, clientId, answerMs, security: security.second });
  try {
    const { warnings, ...first } = await patiently(patience, () => prepareTopics(admin, settings));
    for (const { what, why, remedy } of warnings) log.warn({ why, remedy }, what);
    const fixedTopics = [deadLetterTopic, positionsTopic];
    const inspect = () => inspectTopics(admin, settings);
    const room = keepRoom({ first, inspect, fixedTopics, log });
    const batchBytesMax = (): number => room.now().batchBytesMax;
    const client = { brokers, clientId, properties, batchBytesMax, security, answerMs, patienceMs, nowMs };
    const cluster = await connectCluster(client);
    const mirror = await connectMirror(settings, env, { answerMs, patienceMs });
    try {
      const known = await patiently(patience, () => cluster.topics());
      const topics = topicNames(settings.topic, known.keys());
      const format = recordFormat({
        ...settings,
        topics,
        keyOf: keysOf(settings.key),
        get recordBytesMax() {
          return room.now().recordBytesMax;
        },
      });
      const making = (name: string): Promise<TopicInfo> => makeTopic(admin, settings, name);
      const { confirmCluster } = settings;
      const own = {
        cluster,
        mirror,
        format,
        room,
        namespace,
        deadLetterTopic,
        settleMs,
        groupId,
        confirmCluster,
        make,
        makeTopic: making,
      };
      const more = { ...(rebuild === undefined ? {} : { rebuild }), ...(adopt === undefined ? {} : { adopt }) };
      const queue = explained(await openKafkaQueue({ ...patience, ...own, ...more }), inspect);
      return closing(queue, cluster, ...(mirror === undefined ? [] : [mirror]), admin);
    } catch (error) {
      await cluster.close();
      await mirror?.close();
      throw error;
    }
  } catch (error) {
    await admin.close();
    throw error;
  }
}

/** The queue that closes with itself what it stands on. */
function closing(queue: KafkaQueue, ...parts: readonly { close(): Promise<void> }[]): KafkaQueue {
  return {
    ...queue,
    async close() {
      await queue.close();
      for (const part of parts) await part.close();
    },
  };
}
