/** librdkafka's producer in memory, scripted by tests where a real broker does not show a fault on demand. */
import type { Librdkafka, NativeError, NativeProducer } from "../../gateway/queue/kafka/client/librdkafka.ts";

export interface FakeLibrdkafka {
  readonly library: Librdkafka;
  /** All records in the order of `produce`, as `topic/partition value`. */
  readonly produced: string[];
  readonly timestamps: (number | null)[];
  /** How many records were reported one by one. */
  reported(): number;
  /** The records of the next flush are acknowledged, and nobody hears of it. */
  loseReports(): void;
  /** Errors that the next calls of this name answer with; null for none. */
  script(call: keyof NativeProducer, errors: readonly (NativeError | null)[]): void;
}

export function nativeError(code: number, more: Partial<NativeError> = {}): NativeError {
  return Object.assign(new Error(`error ${code}`), { code, ...more });
}

export function fakeLibrdkafka(): FakeLibrdkafka {
  const produced: string[] = [];
  const timestamps: (number | null)[] = [];
  const scripts = new Map<string, (NativeError | null)[]>();
  const ends = new Map<string, number>();
  const waiting: { topic: string; partition: number; offset: number }[] = [];
  type Listener = (code: number | null, report: { topic: string; partition: number; offset: number }) => void;
  const listeners = new Set<Listener>();
  let reported = 0;
  let isBegun = false;
  let isMute = false;

  const next = (call: keyof NativeProducer): NativeError | null => scripts.get(call)?.shift() ?? null;

  function answer(call: keyof NativeProducer, given: (error: NativeError | null, value: undefined) => void): void {
    const error = next(call);
    setImmediate(() => given(error, undefined));
  }

  const native: NativeProducer = {
    connect: (_options, given) => answer("connect", given),
    on: () => {},
    getClient: () => ({
      configureCallbacks(isAdded, { event: { delivery_cb } }) {
        if (isAdded) listeners.add(delivery_cb);
        else listeners.delete(delivery_cb);
      },
    }),
    initTransactions: (_timeoutMs, given) => answer("initTransactions", given),
    beginTransaction(given) {
      const error = next("beginTransaction") ?? (isBegun ? nativeError(-172) : null);
      isBegun = true;
      setImmediate(() => given(error, undefined));
    },
    commitTransaction: (_timeoutMs, given) => answer("commitTransaction", given),
    abortTransaction: (_timeoutMs, given) => answer("abortTransaction", given),
    produce(topic, partition, value, _key, timestampMs) {
      const error = next("produce");
      if (error !== null) throw error;
      const place = `${topic}/${partition}`;
      const offset = ends.get(place) ?? 0;
      ends.set(place, offset + 1);
      produced.push(`${place} ${Buffer.from(value ?? "").toString()}`);
      timestamps.push(timestampMs);
      waiting.push({ topic, partition, offset });
    },
    poll: () => {},
    flush(_timeoutMs, given) {
      const error = next("flush");
      if (error === null) {
        if (isMute) waiting.length = 0;
        isMute = false;
        for (const report of waiting.splice(0)) {
          reported += listeners.size;
          for (const listener of listeners) listener(null, report);
        }
      }
      setImmediate(() => given(error, undefined));
    },
    disconnect: (_flushMs, given) => answer("disconnect", given),
  };

  return {
    library: {
      Producer: function made() {
        isBegun = false;
        return native;
      } as unknown as Librdkafka["Producer"],
      KafkaConsumer: function made() {
        throw new Error("the fake has no consumer");
      } as unknown as Librdkafka["KafkaConsumer"],
    },
    produced,
    timestamps,
    reported: () => reported,
    loseReports() {
      isMute = true;
    },
    script: (call, errors) => void scripts.set(call, [...errors]),
  };
}
