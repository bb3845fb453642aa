/**
 * The small records of a journal in a key-value bucket of JetStream, which is a stream with rules: a key is a subject of
 * which one message is kept, and an empty one with a mark in its headers says that the key was removed. Written here
 * over the stream itself, since the client's buckets read from any replica, and put a removed key by another rule.
 */
import { type JournalArchive, messageBytesMax, StreamTrouble, type Written } from "../stream.ts";
import type { JetStream } from "./api.ts";
import { lastMessage, listSubjects, purgeBelow } from "./leader.ts";
import { bucketStream, filterOf, mustBePlain } from "./names.ts";

const removed = { "KV-Operation": "DEL" };
const isRemoved = (headers: string) => /^KV-Operation: *(DEL|PURGE)\s*$/im.test(headers);

export function journalArchive(jet: JetStream, bucket: string): JournalArchive {
  const stream = bucketStream(bucket);
  const base = `$KV.${bucket}.`;
  const full = (key: string) => base + mustBePlain(key);

  return {
    async get(key) {
      const last = await lastMessage(jet, stream, full(key));
      return last === null || isRemoved(last.headers) ? null : { revision: last.seq, bytes: last.bytes };
    },
    async put(key, expected, bytes) {
      if (bytes.length > messageBytesMax) {
        throw new Error(`a value of ${bytes.length} bytes was to be written; ${messageBytesMax} are allowed`);
      }
      const written = await jet.publish(stream, full(key), expected, bytes);
      if (expected !== 0 || written.outcome !== "overtaken") return written;
      // A key that was removed has no value either.
      const last = await lastMessage(jet, stream, full(key));
      if (last === null || !isRemoved(last.headers)) return written;
      return await jet.publish(stream, full(key), last.seq, bytes);
    },
    async remove(key, expected): Promise<Written> {
      const written = await jet.publish(stream, full(key), expected, new Uint8Array(), removed);
      if (written.outcome !== "stored") return written;
      try {
        // The mark has done its work; without it the key does not stand in lists.
        await purgeBelow(jet, stream, full(key), written.seq + 1);
      } catch (error) {
        // It stays then, and says the same.
        if (!(error instanceof StreamTrouble)) throw error;
      }
      return written;
    },
    async keys(prefix) {
      const { subjects } = await listSubjects(jet, stream, filterOf(base, prefix));
      return subjects.map((subject) => subject.slice(base.length));
    },
  };
}
