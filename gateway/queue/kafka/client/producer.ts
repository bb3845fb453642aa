/** The transactional producer of librdkafka: one transaction at a time, every record to an explicit partition. */
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import {
  ClusterError,
  type ClusterTrouble,
  type KafkaRecord,
  type Place,
  type TransactionalProducer,
} from "../cluster.ts";
import {
  type Answer,
  answered,
  clusterError,
  codedError,
  connectClient,
  type Librdkafka,
  made,
  type NativeError,
  type NativeProducer,
  type Properties,
  producerTrouble,
  sendTrouble,
  stateCode,
} from "./librdkafka.ts";
import { headerMaker } from "./native-headers.ts";

export interface ProducerOptions {
  readonly library: Librdkafka;
  /** Connection and user's properties; those that the queue's promises rest on cannot be changed by them. */
  readonly properties: Properties;
  readonly transactionalId: string;
  /** How long one call waits for brokers before it answers `retry`. */
  readonly answerMs: number;
}

type PlacedOffset = Place & { readonly offset: number };

/** What users may change. */
const defaults: Properties = {
  "compression.type": "lz4",
  "linger.ms": 5,
  // A dead producer that nobody replaces holds readers back for so long; 10 s did not outlast a fail-over.
  "transaction.timeout.ms": 60_000,
};
const fixed: Properties = {
  "enable.idempotence": true,
  acks: -1,
  // A topic that is not there is made by rules of ours, or by an operator; a broker would take its own.
  "allow.auto.create.topics": false,
  // Bounds what waits in memory, whatever the size of a transaction (I8): beyond it `send` waits. While no broker answers
  // it stays full: 25,000 records took 33 MB, 8,000 took 16 MB, 4,000 take 8 MB (measured).
  "queue.buffering.max.messages": 4_000,
  "queue.buffering.max.kbytes": 16 * 1024,
  // Half a minute by default, in which a send to a topic that is not there would say nothing.
  "topic.metadata.propagation.max.ms": 5_000,
};

/** Each of these calls copies a record in 1 to 6 µs; after so many the event loop gets its turn. */
const recordsPerTurn = 500;
/** Where librdkafka's buffer is full, how long until it is tried again. */
const fullWaitMs = 5;
/** How often a flush that lasts looks whether the transaction has failed meanwhile. */
const flushStepMs = 1_000;

const queueFullCode = -184;

/** A producer that brokers have answered; it has fenced nobody. @throws ClusterError, Fault `config` */
export async function connectProducer(options: ProducerOptions): Promise<NativeProducer> {
  const { library, transactionalId, answerMs } = options;
  const properties = { ...defaults, ...options.properties, ...fixed, "transactional.id": transactionalId };
  const producer = made(() => new library.Producer(properties));
  await connectClient(producer, answerMs);
  return producer;
}

export function openProducer(options: ProducerOptions): TransactionalProducer {
  const { answerMs } = options;
  const nativeHeaders = headerMaker();
  let native: NativeProducer | undefined;
  let isOpen = false;
  /** Calls that librdkafka has not answered. */
  let underWay = 0;

  function connected(): NativeProducer {
    if (native === undefined) throw new ClusterError("restart", "the producer was not initialised, or it is closed");
    return native;
  }

  async function init(): Promise<void> {
    if (native === undefined) {
      native = await connectProducer(options);
    }
    await settle("take the transactional id over", (producer, answer) => producer.initTransactions(answerMs, answer));
  }

  /** Makes a call that ends or begins something, and says what its failure means. */
  async function settle(
    action: string,
    call: (producer: NativeProducer, answer: Answer) => void,
    meaning = (trouble: ClusterTrouble) => trouble,
  ): Promise<void> {
    const producer = connected();
    underWay++;
    try {
      await answered<void>((answer) => call(producer, answer));
    } catch (thrown) {
      const error = thrown as NativeError;
      throw clusterError(action, error, meaning(producerTrouble(error)));
    } finally {
      underWay--;
    }
  }

  /**
   * The last record of each partition waits until all others are acknowledged, and only these few are reported: a
   * report of every record costs as much as sending it, and they come through a hundred at a time (measured).
   */
  async function send(records: Iterable<KafkaRecord>): Promise<readonly PlacedOffset[]> {
    await settle("begin a transaction", (producer, answer) => producer.beginTransaction(answer));
    isOpen = true;
    const lasts = new Map<string, Map<number, KafkaRecord>>();
    let count = 0;
    for (const record of records) {
      let ofTopic = lasts.get(record.topic);
      if (ofTopic === undefined) lasts.set(record.topic, (ofTopic = new Map()));
      const earlier = ofTopic.get(record.partition);
      ofTopic.set(record.partition, record);
      if (earlier === undefined) continue;
      // No promise for each record: there are hundreds of thousands a second.
      const waiting = produce(earlier);
      if (waiting !== undefined) await waiting;
      if (++count % recordsPerTurn > 0) continue;
      connected().poll();
      await turn();
    }
    if (count > 0) await flush();
    return report([...lasts.values()].flatMap((ofTopic) => [...ofTopic.values()]));
  }

  /** Hands a record to librdkafka, which copies it. @returns a promise where that takes more than a moment */
  function produce(record: KafkaRecord): Promise<void> | undefined {
    const error = refusalOf(record);
    return error === undefined ? undefined : hindered(record, error);
  }

  /** Waits while librdkafka's buffer is full; every other error ends the transaction. */
  async function hindered(record: KafkaRecord, first: NativeError): Promise<void> {
    const { topic, partition } = record;
    for (let error: NativeError | undefined = first; error !== undefined; error = refusalOf(record)) {
      if (error.code !== queueFullCode) throw await failure(error, { topic, partition });
      connected().poll();
      await wait(fullWaitMs);
    }
  }

  /** Tries to hand a record over; what librdkafka says where it does not take it. */
  function refusalOf({ topic, partition, key, value, timestampMs, headers }: KafkaRecord): NativeError | undefined {
    const producer = connected();
    // To librdkafka 0 says "now", but a device without a clock reads in 1970.
    const time = timestampMs === 0 ? 1 : timestampMs;
    try {
      producer.produce(topic, partition, value, key, time, undefined, nativeHeaders(headers));
      return undefined;
    } catch (thrown) {
      return thrown as NativeError;
    }
  }

  /** Waits until every record was acknowledged or has failed; librdkafka fails them after the transaction's time-out. */
  async function flush(): Promise<void> {
    for (;;) {
      const producer = connected();
      underWay++;
      try {
        return await answered<void>((answer) => producer.flush(flushStepMs, answer)).finally(() => underWay--);
      } catch {
        const cause = await causeOf(producer);
        if (cause.code !== stateCode) throw clusterError("send", cause, sendTrouble(cause), placeIn(cause.message));
      }
    }
  }

  /** Sends the last records, one of each partition, and waits for their offsets. */
  async function report(records: readonly KafkaRecord[]): Promise<PlacedOffset[]> {
    const native = connected().getClient();
    const offsets: PlacedOffset[] = [];
    let failed: { error: NativeError; place: Place } | undefined;
    const all = Promise.withResolvers<void>();
    let missing = records.length;
    const callbacks = {
      event: {
        delivery_cb(code: number | null, { topic, partition, offset }: PlacedOffset): void {
          if (code === null) offsets.push({ topic, partition, offset });
          else failed ??= { error: codedError(code), place: { topic, partition } };
          if (--missing === 0) all.resolve();
        },
      },
    };
    native.configureCallbacks(true, callbacks);
    try {
      for (const record of records) await produce(record);
      await flush();
      if (missing > 0) await within(all.promise);
    } finally {
      native.configureCallbacks(false, callbacks);
    }
    if (failed !== undefined) throw await failure(failed.error, failed.place);
    return offsets;
  }

  /** Every record was acknowledged or has failed by now, and is reported in a moment; without the offsets there is no commit. */
  async function within(reported: Promise<void>): Promise<void> {
    const over = new AbortController();
    const late = wait(answerMs, undefined, over).then(() => {
      throw new ClusterError("abort", `could not send: the last records were not reported within ${answerMs} ms`);
    });
    await Promise.race([reported, late]).finally(() => over.abort());
  }

  /** Some errors only say that the transaction has failed, or the producer for good; then librdkafka is asked why. */
  async function failure(error: NativeError, place: Place): Promise<ClusterError> {
    if (sendTrouble(error) !== "abort") return clusterError("send", error, sendTrouble(error), place);
    const cause = await causeOf(connected());
    if (cause.code === stateCode) return clusterError("send", error, "abort", place);
    return clusterError("send", cause, sendTrouble(cause), placeIn(cause.message));
  }

  return {
    init,
    send,
    async commit() {
      await settle(
        "commit",
        (producer, answer) => producer.commitTransaction(answerMs, answer),
        // Such an error does not say that nothing was committed: librdkafka may have given up while the broker had not.
        (trouble) => (trouble === "abort" ? "restart" : trouble),
      );
      isOpen = false;
    },
    async abort() {
      if (!isOpen) return;
      await settle("abort", (producer, answer) => producer.abortTransaction(answerMs, answer));
      isOpen = false;
    },
    async close() {
      const producer = native;
      native = undefined;
      isOpen = false;
      // To disconnect under a call ends the process by an assertion of librdkafka (seen); its end disconnects as well.
      if (producer === undefined || underWay > 0) return;
      await answered<unknown>((answer) => producer.disconnect(1, answer)).catch(() => undefined);
    },
  };
}

/**
 * Why the transaction has failed: to begin another one is refused with the reason. Where it has not failed, that is
 * refused because of the state.
 */
function causeOf(producer: NativeProducer): Promise<NativeError> {
  return new Promise((resolve) =>
    producer.beginTransaction((error) => resolve(error ?? new Error("the transaction was gone"))),
  );
}

/** Where a batch was refused: librdkafka says so only in words. */
function placeIn(message: string): Place | null {
  const [, topic, partition] = /^ProduceRequest for (\S+) \[(\d+)\]/.exec(message) ?? [];
  return topic === undefined ? null : { topic, partition: Number(partition) };
}
