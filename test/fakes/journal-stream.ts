/** A journal's stream and archive in memory: linearisable, exact, without faults (journal-weather.ts adds these). */
import {
  type ArchiveEntry,
  type JournalArchive,
  type JournalStream,
  messageBytesMax,
  type StoredMessage,
  StreamTrouble,
} from "../../gateway/journal/jetstream/stream.ts";

export interface FakeJournalStream {
  readonly stream: JournalStream;
  readonly archive: JournalArchive;
  /** Somebody deletes both. */
  remove(): void;
  /** One message is lost by the engine, as a repair after damage does it. */
  lose(seq: number): void;
}

/** @param bytesMax what the stream holds at the most */
export function fakeJournalStream(bytesMax = 1e9): FakeJournalStream {
  let messages: StoredMessage[] = [];
  const values = new Map<string, ArchiveEntry>();
  let lastSeq = 0;
  let revision = 0;
  let isThere = true;
  let added = Promise.withResolvers<void>();

  const there = (): void => {
    if (!isThere) throw new StreamTrouble("missing", "the stream is not there");
  };
  /** Waits until there is what somebody waits for, or until the time is over. */
  async function within(waitMs: number, isThereNow: () => boolean): Promise<void> {
    let isOver = false;
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      isOver = true;
      over.resolve();
    }, waitMs);
    while (!isOver && !isThereNow()) await Promise.race([added.promise, over.promise]);
    clearTimeout(timer);
  }
  const newestOf = (subject: string): StoredMessage | null =>
    messages.findLast((one) => one.subject === subject) ?? null;
  const usedBytes = (): number => messages.reduce((sum, { bytes }) => sum + bytes.length, 0);

  return {
    remove: () => void (isThere = false),
    lose: (seq) => void (messages = messages.filter((one) => one.seq !== seq)),
    stream: {
      async publish(subject, expected, bytes) {
        mustBeFit(subject, bytes);
        there();
        if ((newestOf(subject)?.seq ?? 0) !== expected) return { outcome: "overtaken" };
        if (usedBytes() + bytes.length > bytesMax) return { outcome: "full" };
        messages.push({ subject, seq: ++lastSeq, bytes: Uint8Array.from(bytes) });
        added.resolve();
        added = Promise.withResolvers();
        return { outcome: "stored", seq: lastSeq };
      },
      async newest(subject) {
        there();
        return newestOf(subject);
      },
      async purge(subject, below) {
        mustBeFit(subject);
        there();
        messages = messages.filter((one) => one.subject !== subject || one.seq >= below);
      },
      async live(prefix) {
        mustBePrefix(prefix);
        there();
        const subjects = new Set(
          messages.map(({ subject }) => subject).filter((subject) => subject.startsWith(prefix)),
        );
        return { lastSeq, subjects: [...subjects] };
      },
      async read(prefix, from, limits) {
        there();
        const find = () => messages.filter(({ subject, seq }) => seq >= from && subject.startsWith(prefix));
        if (find().length === 0 && limits.waitMs > 0) await within(limits.waitMs, () => find().length > 0);
        let bytes = 0;
        return find()
          .slice(0, limits.messagesMax)
          .filter((message, at) => at === 0 || (bytes += message.bytes.length) <= limits.bytesMax);
      },
      async usage() {
        there();
        return { bytes: usedBytes(), bytesMax };
      },
    },
    archive: {
      async get(key) {
        there();
        return values.get(key) ?? null;
      },
      async put(key, expected, bytes) {
        mustBeFit(key, bytes);
        there();
        if ((values.get(key)?.revision ?? 0) !== expected) return { outcome: "overtaken" };
        values.set(key, { revision: ++revision, bytes: Uint8Array.from(bytes) });
        return { outcome: "stored", seq: revision };
      },
      async remove(key, expected) {
        there();
        if ((values.get(key)?.revision ?? 0) !== expected) return { outcome: "overtaken" };
        values.delete(key);
        return { outcome: "stored", seq: ++revision };
      },
      async keys(prefix) {
        there();
        return [...values.keys()].filter((key) => key.startsWith(prefix));
      },
    },
  };
}

/** What the real one refuses before it is sent is a defect here too. */
function mustBeFit(subject: string, bytes: Uint8Array = new Uint8Array()): void {
  if (!/^[\w=/-]+(\.[\w=/-]+)*$/.test(subject)) throw new Error(`${subject} is no subject`);
  if (bytes.length > messageBytesMax) throw new Error(`${bytes.length} bytes are too many`);
}

function mustBePrefix(prefix: string): void {
  if (prefix !== "" && !prefix.endsWith(".")) throw new Error(`${prefix} does not end with a dot`);
}
