/** The messages of a journal in a stream of JetStream. */
import { type JournalStream, messageBytesMax, type ReadLimits, type StoredMessage } from "../stream.ts";
import type { JetStream } from "./api.ts";
import { type Consumer, openConsumer } from "./consumer.ts";
import { lastMessage, listSubjects, purgeBelow, streamInfo } from "./leader.ts";
import { filterOf, mustBePlain } from "./names.ts";

/** Consumers are kept for the readers of so many prefixes, to go on where they were. */
const consumersMax = 64;

/** @param base what stands before each subject, its last dot included */
export function journalStream(jet: JetStream, stream: string, base: string): JournalStream {
  const kept = new Map<string, { readonly consumer: Consumer; readonly from: number }>();
  const full = (subject: string) => base + mustBePlain(subject);
  const within = (subject: string) => subject.slice(base.length);

  async function opened(prefix: string, from: number): Promise<Consumer> {
    return await openConsumer(jet, stream, {
      filter_subject: filterOf(base, prefix),
      deliver_policy: "by_start_sequence",
      opt_start_seq: Math.max(1, from),
    });
  }

  /** The consumer that an earlier read left at `from`, for this reader alone. */
  function taken(prefix: string, from: number): Consumer | undefined {
    const found = kept.get(prefix);
    kept.delete(prefix);
    if (found?.from === from) return found.consumer;
    found?.consumer.drop();
    return undefined;
  }

  function keep(prefix: string, consumer: Consumer, from: number): void {
    if (!consumer.isWhole || kept.has(prefix) || kept.size >= consumersMax) consumer.drop();
    else kept.set(prefix, { consumer, from });
  }

  async function readBy(consumer: Consumer, prefix: string, from: number, limits: ReadLimits) {
    let found: readonly StoredMessage[];
    try {
      found = await consumer.next(limits);
    } catch (error) {
      consumer.drop();
      throw error;
    }
    keep(prefix, consumer, (found.at(-1)?.seq ?? from - 1) + 1);
    return found.map(({ subject, seq, bytes }) => ({ subject: within(subject), seq, bytes }));
  }

  return {
    async publish(subject, expected, bytes) {
      if (bytes.length > messageBytesMax) {
        throw new Error(`a message of ${bytes.length} bytes was to be published; ${messageBytesMax} are allowed`);
      }
      return await jet.publish(stream, full(subject), expected, bytes);
    },
    async newest(subject) {
      const last = await lastMessage(jet, stream, full(subject));
      return last === null ? null : { subject, seq: last.seq, bytes: last.bytes };
    },
    purge: (subject, below) => purgeBelow(jet, stream, full(subject), below),
    async live(prefix) {
      const { lastSeq, subjects } = await listSubjects(jet, stream, filterOf(base, prefix));
      return { lastSeq, subjects: subjects.map(within) };
    },
    async read(prefix, from, limits) {
      const before = taken(prefix, from);
      if (before !== undefined) {
        try {
          return await readBy(before, prefix, from, limits);
        } catch {
          // The server that kept the consumer may have gone since the last read: another one makes a new one.
        }
      }
      return await readBy(await opened(prefix, from), prefix, from, limits);
    },
    async usage() {
      const { state, config } = await streamInfo(jet, stream);
      return { bytes: state.bytes, bytesMax: Number(config.max_bytes) };
    },
  };
}
