/**
 * A Kafka cluster in memory, as far as the queue can tell: partitions are logs of records and markers, a record's fate is
 * decided by the next marker of its producer in its partition, a coordinator fences by epochs. It times out with and
 * without having done the thing, and a power cut takes the ends of its logs along, markers included (all seen on real
 * brokers; /docs/design.md).
 */
import {
  ClusterError,
  type KafkaCluster,
  type KafkaRecord,
  type LedTopic,
  type Place,
  type StoredRecord,
  type TopicInfo,
  type TransactionalProducer,
  type TransactionState,
} from "../../gateway/queue/kafka/cluster.ts";
import { append, cutEnd, endOf, endOfEpoch, type Log, newLog, openFrom, readCommitted, stableOf } from "./kafka-log.ts";

interface Coordinated {
  epoch: number;
  state: TransactionState | "committing" | "aborting";
  begunMs: number;
  readonly places: Set<string>;
}

/** What happens to a call that ends a transaction. */
export type EndFault = "request lost" | "answer lost" | "markers late";

export interface FakeClusterOptions {
  readonly topics: Readonly<Record<string, number>>;
  nowMs(): number;
  readonly clusterId?: () => string;
  /** Asked at each commit and abort; undefined lets it pass. */
  readonly fault?: () => EndFault | undefined;
  /** Awaited on the way of each call to the cluster, which it then reaches even if the caller has died. */
  readonly pause?: () => Promise<void>;
  readonly transactionTimeoutMs?: number;
  /** Of values, by topic. */
  readonly recordBytesMax?: (topic: string) => number;
  /** Told of what happens inside. */
  readonly tell?: (line: string) => void;
}

export interface FakeCluster {
  /** @param answering awaited on the way of each answer: where the caller has died, it never comes */
  connect(answering?: () => Promise<void>): KafkaCluster;
  setAway(isAway: boolean): void;
  /** Every item of a partition, for tests that look behind the scenes. */
  committed(place: Place): StoredRecord[];
  /** Aborts what is open too long, and writes markers that are late. */
  tick(): void;
  /**
   * The machines lose power: of each log `cut(length, place)` tells how many of its latest items are gone, of those younger
   * than `settledMs`. Every partition gets a new leader epoch.
   */
  powerCut(settledMs: number, cut: (young: number, place: Place) => number): void;
  /** A partition loses its end from an offset on. */
  loseFrom(place: Place, offset: number): void;
  /** Every partition gets a leader on whose disk nothing young is settled yet. */
  moveLeaders(settledMs: number): void;
  /** Deletes a topic and makes it anew. */
  recreate(topic: string): void;
  deleteBefore(place: Place, offset: number): void;
  /** Writes a record without a transaction, as another program does. */
  write(place: Place, record: Pick<StoredRecord, "key" | "value"> & Partial<StoredRecord>): void;
}

export function fakeCluster(options: FakeClusterOptions): FakeCluster {
  const { nowMs, tell = () => {}, clusterId = () => "fake-cluster" } = options;
  const pause = options.pause ?? (() => Promise.resolve());
  const logs = new Map<string, Log>();
  const topics = new Map<string, TopicInfo>();
  const coordinator = new Map<string, Coordinated>();
  let made = 0;
  let isAway = false;

  function make(topic: string, partitions: number): void {
    topics.set(topic, { id: `${clusterId()}-topic-${++made}`, partitions });
    for (let partition = 0; partition < partitions; partition++) {
      logs.set(`${topic}/${partition}`, newLog({ topic, partition }));
    }
  }
  for (const [topic, partitions] of Object.entries(options.topics)) make(topic, partitions);

  function logOf({ topic, partition }: Place): Log {
    const log = logs.get(`${topic}/${partition}`);
    if (log === undefined) throw new ClusterError("refused", `unknown topic ${topic}`, { topic, partition });
    return log;
  }

  function coordinated(id: string): Coordinated {
    let found = coordinator.get(id);
    if (found === undefined) {
      found = { epoch: 0, state: "none", begunMs: 0, places: new Set() };
      coordinator.set(id, found);
    }
    return found;
  }

  function finish(id: string, markersMax = Number.POSITIVE_INFINITY): void {
    const known = coordinated(id);
    if (known.state !== "committing" && known.state !== "aborting") return;
    const isCommit = known.state === "committing";
    for (const key of [...known.places].slice(0, markersMax)) {
      const log = logs.get(key);
      if (log !== undefined) append(log, nowMs(), { kind: "marker", pid: id, isCommit });
      log?.epochs.set(id, Math.max(known.epoch, log.epochs.get(id) ?? 0));
      known.places.delete(key);
      tell(`${id}:${known.epoch} ${isCommit ? "commit" : "abort"} marker in ${key}`);
    }
    if (known.places.size === 0) known.state = isCommit ? "committed" : "aborted";
  }

  function producer(id: string, answer: <T>(work: () => T) => Promise<T>): TransactionalProducer {
    let epoch = -1;

    function fence(): Coordinated {
      const known = coordinated(id);
      if (epoch !== known.epoch) throw new ClusterError("fenced", `producer ${id} is fenced`);
      return known;
    }

    function end(isCommit: boolean): Promise<void> {
      return answer(() => {
        const known = fence();
        const ending = isCommit ? "committing" : "aborting";
        const done = isCommit ? "committed" : "aborted";
        // The same call again, after its answer was lost.
        if (known.state === done || known.state === ending) return finish(id);
        if (known.state !== "open") throw new ClusterError("restart", `no transaction of ${id} is open`);
        const fault = options.fault?.();
        if (fault === "request lost") throw new ClusterError("retry", "no answer");
        known.state = ending;
        // A broker answers first and writes the markers then; the next transaction of the same id waits for them.
        if (fault === "markers late") finish(id, 1);
        else finish(id);
        if (fault === "answer lost") throw new ClusterError("retry", "no answer");
      });
    }

    return {
      init: () =>
        answer(() => {
          const known = coordinated(id);
          if (known.state === "open") known.state = "aborting";
          finish(id);
          epoch = ++known.epoch;
          tell(`${id}:${epoch} init`);
        }),
      send: (records: Iterable<KafkaRecord>) =>
        answer(() => {
          const ends = new Map<string, Place & { offset: number }>();
          for (const record of records) {
            const known = fence();
            if (known.state === "committing" || known.state === "aborting") finish(id);
            if (known.state !== "open") {
              known.state = "open";
              known.begunMs = nowMs();
            }
            const { topic, partition, value } = record;
            const log = logOf(record);
            if (epoch < (log.epochs.get(id) ?? 0)) throw new ClusterError("fenced", `producer ${id} is fenced`);
            if ((value?.length ?? 0) > (options.recordBytesMax?.(topic) ?? Number.POSITIVE_INFINITY)) {
              throw new ClusterError("too-large", "the record is too large", { topic, partition });
            }
            known.places.add(`${topic}/${partition}`);
            const offset = endOf(log);
            const timestampMs = record.timestampMs ?? nowMs();
            append(log, nowMs(), { kind: "record", pid: id, record: { ...record, offset, timestampMs } });
            ends.set(`${topic}/${partition}`, { topic, partition, offset });
          }
          tell(`${id}:${epoch} sent up to ${[...ends].map(([key, { offset }]) => `${key}@${offset}`).join(" ")}`);
          return [...ends.values()];
        }),
      commit: () => end(true),
      abort: () => end(false),
      close: async () => {},
    };
  }

  function ledTopic(topic: string): LedTopic {
    const { id, partitions } = topics.get(topic) as TopicInfo;
    const places = Array.from({ length: partitions }, (_, partition): Place => ({ topic, partition }));
    return { id, leaderEpochs: places.map((place) => logOf(place).leaderEpoch) };
  }

  function connect(answering: () => Promise<void> = pause): KafkaCluster {
    async function answer<T>(work: () => T): Promise<T> {
      await pause();
      try {
        if (isAway) throw new ClusterError("away", "no broker answers");
        return work();
      } finally {
        await answering();
      }
    }

    return {
      clusterId: () => answer(clusterId),
      topics: () => answer(() => new Map(topics)),
      watermarks: (place) =>
        answer(() => {
          const log = logOf(place);
          return { low: log.low, stable: stableOf(log), high: endOf(log), leaderEpoch: log.leaderEpoch };
        }),
      leaders: (names) =>
        answer(() => {
          const there = names.filter((name) => topics.has(name));
          return new Map(there.map((name) => [name, ledTopic(name)]));
        }),
      endOfEpoch: (place, leaderEpoch) => answer(() => endOfEpoch(logOf(place), leaderEpoch)),
      openFrom: (place, id) => answer(() => openFrom(logOf(place), id)),
      transactionState: (id) =>
        answer((): TransactionState => {
          const { state } = coordinated(id);
          return state === "committing" ? "committed" : state === "aborting" ? "aborted" : state;
        }),
      producer: (id) => producer(id, answer),
      read: (place, from, end, onRecord) =>
        answer(() => {
          if (end > stableOf(logOf(place))) throw new ClusterError("away", "the end was not reached", place);
          for (const record of readCommitted(logOf(place), from, end)) onRecord(record);
        }),
      close: async () => {},
    };
  }

  return {
    connect,
    setAway(away) {
      isAway = away;
    },
    committed: (place) => readCommitted(logOf(place), 0, stableOf(logOf(place))),
    tick() {
      for (const [id, known] of coordinator) {
        if (known.state === "open" && nowMs() - known.begunMs > (options.transactionTimeoutMs ?? 60_000)) {
          known.state = "aborting";
          known.epoch++;
        }
        finish(id);
      }
    },
    powerCut(settledMs, cut) {
      for (const [key, log] of logs) {
        const young = log.items.filter(({ atMs }) => atMs > nowMs() - settledMs).length;
        const gone = cutEnd(log, Math.min(young, cut(young, log.place)));
        if (gone > 0) tell(`${key} loses ${gone} items from ${endOf(log)} on`);
      }
    },
    loseFrom(place, offset) {
      const log = logOf(place);
      cutEnd(log, endOf(log) - offset);
    },
    moveLeaders(settledMs) {
      for (const log of logs.values()) {
        log.leaderEpoch++;
        log.items = log.items.map((item) => (item.atMs > nowMs() - settledMs ? { ...item, atMs: nowMs() } : item));
      }
    },
    recreate(topic) {
      make(topic, (topics.get(topic) as TopicInfo).partitions);
    },
    deleteBefore(place, offset) {
      const log = logOf(place);
      log.items.splice(0, offset - log.low);
      log.low = offset;
    },
    write(place, record) {
      const log = logOf(place);
      const written = { headers: [], timestampMs: nowMs(), ...record, ...place, offset: endOf(log) };
      append(log, nowMs(), { kind: "record", pid: "", record: written });
    },
  };
}
