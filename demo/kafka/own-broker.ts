/** A Kafka broker for one demo: started here, killed in the story, and gone afterwards with all that it wrote. */

import { loadLibrdkafka } from "../../gateway/queue/kafka/client/librdkafka.ts";
import { Fault } from "../../shared/errors.ts";
import type { Voice } from "../../shared/voice.ts";
import type { DemoQueue } from "../queue.ts";
import { type Brokers, startBrokers } from "./brokers.ts";
import { brokersMissing, witness } from "./java.ts";
import { lineOf } from "./lines.ts";
import { openClusterQueue } from "./queue.ts";

/** @throws Fault `unavailable` where Java, Kafka's jars or its client are missing */
export async function startBrokerQueue(voice: Voice): Promise<DemoQueue> {
  loadLibrdkafka();
  const missing = brokersMissing();
  if (missing !== undefined) {
    throw new Fault("unavailable", {
      what: "no Kafka broker can be started here",
      why: missing,
      remedy:
        "install Java 17 and Maven, and run packaging/kafka-jars.sh; or name a cluster: npm run demo -- --kafka HOST:PORT",
    });
  }
  voice.note("A Kafka broker is being started.");
  const brokers = await startBrokers(1);
  try {
    const server = { kill: () => brokers.kill(1), start: () => brokers.start(1) };
    const queue = await openClusterQueue(brokers.bootstrap.split(","), voice, { reader: readerOf(brokers), server });
    return {
      ...queue,
      async close() {
        await queue.close(false);
        await brokers.stop();
      },
    };
  } catch (error) {
    await brokers.stop();
    throw error;
  }
}

/** Kafka's own console consumer, which shares no code with us. */
function readerOf({ bootstrap }: Brokers) {
  return async (topics: readonly string[], take: (text: string) => void): Promise<void> => {
    for (const topic of topics) await witness(bootstrap, topic, (record) => take(lineOf(record)));
  };
}
