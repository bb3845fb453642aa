/**
 * Reads spans of partitions with one consumer of librdkafka that is kept: to make one takes longer than a read. It joins
 * no group and commits no offsets.
 */
import { takeTurns } from "../../../turns.ts";
import { ClusterError, type Place, type StoredRecord } from "../cluster.ts";
import { readerGroup } from "./admin.ts";
import {
  answered,
  clientTrouble,
  clusterError,
  connectClient,
  type Librdkafka,
  made,
  type NativeConsumer,
  type NativeError,
  type NativeMessage,
  type Properties,
} from "./librdkafka.ts";

export interface ReaderOptions {
  readonly library: Librdkafka;
  readonly properties: Properties;
  /** How long a read waits for its next record before it fails. */
  readonly patienceMs: number;
  /** Monotonic ms. */
  readonly nowMs: () => number;
}

export interface Reader {
  /** See KafkaCluster.read. */
  read(place: Place, from: number, end: number, onRecord: (record: StoredRecord) => void): Promise<void>;
  close(): Promise<void>;
}

const fixed: Properties = {
  // librdkafka asks for a name, and looks for the group's coordinator; nothing is ever written under it.
  "group.id": readerGroup,
  "enable.auto.commit": false,
  "enable.auto.offset.store": false,
  "isolation.level": "read_committed",
  "enable.partition.eof": true,
  "auto.offset.reset": "error",
  // What is fetched ahead of a scan is bounded (I8), and a look at one record drags little along.
  "queued.min.messages": 5_000,
  "queued.max.messages.kbytes": 4 * 1024,
  "max.partition.fetch.bytes": 256 * 1024,
  // The end of a partition shows in an empty answer only; half a second and a second by default.
  "fetch.wait.max.ms": 5,
  "fetch.queue.backoff.ms": 10,
  "fetch.error.backoff.ms": 100,
};

/**
 * The binding makes the objects of one call while nothing of them can be collected. Of 1,000 records V8 moved most to its
 * old space, and what they hold outside of it (a key, a value and the headers of each) waited for the next full
 * collection: a scan of 400,000 left 150 MB of it behind. Calls of 100 left 15 MB, and took no longer (measured).
 */
const recordsPerTurn = 100;
/** How long one call waits for its first record; an end that is met alone is told after it. */
const stepMs = 5;
/** `from` lies outside of what the partition holds. */
const outOfRangeCodes = new Set([-140, 1]);

export function openReader(options: ReaderOptions): Reader {
  const { library, patienceMs, nowMs } = options;
  const turns = takeTurns();
  let native: NativeConsumer | undefined;
  let ends: (place: Place & { readonly offset: number }) => void = () => {};
  let closed = false;

  async function connected(): Promise<NativeConsumer> {
    if (closed) throw new ClusterError("away", "the cluster's client is closed");
    if (native !== undefined) return native;
    const consumer = made(() => new library.KafkaConsumer({ ...options.properties, ...fixed }));
    await connectClient(consumer, patienceMs);
    consumer.setDefaultConsumeTimeout(stepMs);
    consumer.setDefaultIsTimeoutOnlyForFirstMessage(true);
    consumer.on("partition.eof", (place) => ends(place));
    native = consumer;
    return consumer;
  }

  async function readSpan(
    place: Place,
    from: number,
    end: number,
    onRecord: (record: StoredRecord) => void,
  ): Promise<void> {
    if (from >= end) return;
    const { topic, partition } = place;
    const consumer = await connected();
    const isHere = (other: Place): boolean => other.topic === topic && other.partition === partition;
    let next = from;
    let endSeen = from;
    let waitingSinceMs = nowMs();
    // Control records take offsets too, so the end may be reached without a record at its edge.
    ends = (at) => void (isHere(at) && (endSeen = Math.max(endSeen, at.offset)));
    consumer.assign([{ topic, partition, offset: from }]);
    try {
      while (next < end) {
        const before = next;
        for (const message of await take(consumer, place, Math.min(end - next, recordsPerTurn))) {
          if (!isHere(message) || message.offset < next) continue;
          next = message.offset + 1;
          if (message.offset < end) onRecord(stored(message));
        }
        // Seen before what was taken with it, so counted after.
        next = Math.max(next, endSeen);
        if (next > before) waitingSinceMs = nowMs();
        else if (nowMs() - waitingSinceMs > patienceMs) {
          throw new ClusterError("away", `nothing came from offset ${next}, and ${end} was not reached`, place);
        }
      }
    } finally {
      ends = () => {};
      if (!closed) consumer.unassign();
    }
  }

  async function take(consumer: NativeConsumer, place: Place, count: number): Promise<readonly NativeMessage[]> {
    if (closed) throw new ClusterError("away", "the cluster's client was closed", place);
    try {
      return await answered<readonly NativeMessage[]>((answer) => consumer.consume(count, answer));
    } catch (thrown) {
      const error = thrown as NativeError;
      if (outOfRangeCodes.has(error.code ?? 0)) {
        throw new ClusterError("away", "the partition no longer holds the offset to read from", place);
      }
      const trouble = clientTrouble(error);
      // Whatever passes is waited for; the caller's patience bounds it.
      if (trouble === "away") return [];
      throw clusterError("read", error, trouble, place);
    }
  }

  return {
    read: (place, from, end, onRecord) => turns.take(() => readSpan(place, from, end, onRecord)),
    async close() {
      closed = true;
      // A read that is under way ends by itself.
      await turns.take(() => undefined);
      const consumer = native;
      native = undefined;
      if (consumer === undefined) return;
      await answered<unknown>((answer) => consumer.disconnect(answer)).catch(() => undefined);
    },
  };
}

function stored(message: NativeMessage): StoredRecord {
  const { topic, partition, offset, key, value, timestamp, headers = [] } = message;
  const named = headers.map((header): [string, Uint8Array] => {
    const [name = ""] = Object.keys(header);
    return [name, header[name] as Uint8Array];
  });
  return { topic, partition, offset, key, value, timestampMs: timestamp, headers: named };
}
