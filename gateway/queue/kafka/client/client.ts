/** A real Kafka cluster: librdkafka carries the data, and a second client asks for what librdkafka's binding does not tell. */
import type { KafkaCluster } from "../cluster.ts";
import { answered, loadLibrdkafka, type Properties } from "./librdkafka.ts";
import { openMetadata } from "./metadata.ts";
import { connectProducer, openProducer } from "./producer.ts";
import { isOfProducersOnly } from "./properties.ts";
import { openReader } from "./reader.ts";
import { noSecurity, type Security } from "./security.ts";

export interface ClientOptions {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** More of librdkafka's properties, checked by the caller; those that the queue's promises rest on win over them. */
  readonly properties: Properties;
  /** The `batch.size` of producers that are made from now on; absent: librdkafka's own. */
  readonly batchBytesMax?: () => number;
  /** Absent: plain connections without a login. */
  readonly security?: Security;
  /** How long one request waits for a broker before the call answers `retry` or `away`. */
  readonly answerMs: number;
  /** How long a read waits for its next record. */
  readonly patienceMs: number;
  /** Monotonic ms. */
  readonly nowMs: () => number;
}

/**
 * Opens a cluster; whether it answers shows at the first call.
 * @throws Fault `unavailable`, not retryable, where the clients are not installed
 */
export async function connectCluster(options: ClientOptions): Promise<KafkaCluster> {
  const { brokers, clientId, answerMs, security = noSecurity, batchBytesMax } = options;
  const library = loadLibrdkafka();
  const properties = propertiesOf(options);
  // librdkafka complains in the log about properties that a consumer has no use for.
  const shared = Object.fromEntries(Object.entries(properties).filter(([name]) => !isOfProducersOnly(name)));
  const reader = openReader({ ...options, library, properties: shared });
  const { close, ...metadata } = await openMetadata({ brokers, clientId, answerMs, security: security.second });
  return {
    ...metadata,
    producer(transactionalId) {
      const sized = batchBytesMax === undefined ? {} : { "batch.size": batchBytesMax() };
      return openProducer({ library, properties: { ...properties, ...sized }, transactionalId, answerMs });
    },
    read: reader.read,
    async close() {
      await reader.close();
      await close();
    },
  };
}

/**
 * Connects a producer and lets it go, without taking a transactional id over: whether librdkafka is installed, takes its
 * properties and is let in.
 * @throws ClusterError, Fault
 */
export async function tryClient(options: ConnectOptions & Pick<ClientOptions, "answerMs">): Promise<void> {
  const library = loadLibrdkafka();
  const properties = propertiesOf(options);
  const transactionalId = `${options.clientId}-trial`;
  const producer = await connectProducer({ library, properties, transactionalId, answerMs: options.answerMs });
  await answered<unknown>((answer) => producer.disconnect(1, answer));
}

type ConnectOptions = Pick<ClientOptions, "brokers" | "clientId" | "properties" | "security">;

function propertiesOf({ brokers, clientId, properties, security = noSecurity }: ConnectOptions): Properties {
  return {
    "client.id": clientId,
    "bootstrap.servers": brokers.join(","),
    // A broker that comes back is found within a second, not within ten.
    "reconnect.backoff.max.ms": 1_000,
    // A broker that hangs is given up after this. With a minute, the default, a send outlasts its transaction (measured).
    "socket.timeout.ms": 10_000,
    ...properties,
    ...security.librdkafka,
  };
}
