/** What the rules of the replicated journal rely on: one suite for the streams of every kind. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type JournalArchive,
  type JournalStream,
  messageBytesMax,
  type StoredMessage,
  StreamTrouble,
  type Written,
} from "../../gateway/journal/jetstream/stream.ts";

export interface StreamSubject {
  readonly stream: JournalStream;
  readonly archive: JournalArchive;
  /** The same ones, as another gateway has them. */
  readonly other: { readonly stream: JournalStream; readonly archive: JournalArchive };
  /** Somebody deletes both. */
  remove(): Promise<void>;
}

/** Room for all but the test that fills it. */
export const bytesMax = 16 * 1024 * 1024;
export const races = 50;

/** @param open a new stream with its archive, which holds so many bytes at the most */
export function journalStreamContract(kind: string, open: (bytesMax: number) => Promise<StreamSubject>): void {
  const check = (title: string, body: (subject: StreamSubject) => Promise<void>, room = bytesMax) =>
    void it(title, async () => body(await open(room)));

  void describe(`the stream of a replicated journal, ${kind}`, () => {
    check("I4: a message is stored only behind the one that it expects", async ({ stream }) => {
      const first = storedAt(await stream.publish("3.a", 0, text("one")));
      assert.ok(first >= 1);
      assert.deepEqual(await stream.publish("3.a", 0, text("again")), overtaken);
      assert.deepEqual(await stream.publish("3.a", first + 1, text("ahead")), overtaken);
      const second = storedAt(await stream.publish("3.a", first, text("two")));
      assert.ok(second > first);
      assert.deepEqual(await stream.publish("3.a", first, text("again")), overtaken);
      // Each subject counts for itself.
      assert.deepEqual(await stream.publish("3.b", second, text("other")), overtaken);
      assert.ok(storedAt(await stream.publish("3.b", 0, text("other"))) > second);
      assert.deepEqual(plain(await stream.newest("3.a")), { subject: "3.a", seq: second, bytes: text("two") });
    });

    check(
      "the newest message comes back byte for byte, and there is none where nothing was stored",
      async ({ stream }) => {
        const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 7 + (at >> 8)) & 255);
        const seq = storedAt(await stream.publish("3.a.b", 0, bytes));
        assert.deepEqual(plain(await stream.newest("3.a.b")), { subject: "3.a.b", seq, bytes });
        assert.equal(await stream.newest("3.a"), null);
        assert.equal(await stream.newest("3.a.b.c"), null);
        storedAt(await stream.publish("3.none", 0, new Uint8Array()));
        assert.deepEqual((await stream.newest("3.none"))?.bytes.length, 0);
      },
    );

    check(
      "the largest message is stored and read; a larger one is a defect, and so is a subject that names many",
      async ({ stream, archive }) => {
        const largest = new Uint8Array(messageBytesMax).fill(88);
        const seq = storedAt(await stream.publish("3.a", 0, largest));
        assert.deepEqual(plain(await stream.newest("3.a"))?.bytes, largest);
        assert.equal((await stream.read("3.", 1, atOnce))[0]?.bytes.length, messageBytesMax);
        const larger = new Uint8Array(messageBytesMax + 1);
        await assert.rejects(stream.publish("3.a", seq, larger), isDefect);
        await assert.rejects(archive.put("a", 0, larger), isDefect);
        for (const subject of ["", "3.*", "3.>", ">", "3..a", "3.a ", ".a", "a."]) {
          await assert.rejects(stream.publish(subject, 0, text("")), isDefect, subject);
          await assert.rejects(async () => await stream.purge(subject, 9), isDefect, subject);
          await assert.rejects(archive.put(subject, 0, text("")), isDefect, subject);
        }
        await assert.rejects(async () => await stream.live("3"), isDefect);
        assert.equal((await stream.newest("3.a"))?.seq, seq);
      },
    );

    check("I4: of two that expect the same, one wins", async ({ stream, other }) => {
      let seq = 0;
      for (let race = 0; race < races; race++) {
        const outcomes = await Promise.all([
          stream.publish("3.a", seq, text(`mine ${race}`)),
          other.stream.publish("3.a", seq, text(`theirs ${race}`)),
        ]);
        const [winner] = outcomes.filter(({ outcome }) => outcome === "stored");
        assert.deepEqual(outcomes.map(({ outcome }) => outcome).sort(), ["overtaken", "stored"]);
        const newest = await stream.newest("3.a");
        seq = storedAt(winner as Written);
        assert.equal(newest?.seq, seq);
        assert.deepEqual(plain(newest).bytes, text(`${outcomes[0].outcome === "stored" ? "mine" : "theirs"} ${race}`));
      }
    });

    check(
      "I2: a purge removes what is below, of its subject alone, and a sequence is never given again",
      async ({ stream }) => {
        const a = await fill(stream, "3.a", 5);
        const b = await fill(stream, "3.a.b", 2);
        for (const below of [0, 1, a[0] as number]) await stream.purge("3.a", below);
        assert.deepEqual(seqs(await stream.read("3.", 1, atOnce)), [...a, ...b]);
        await stream.purge("3.a", a[3] as number);
        await stream.purge("3.a", a[1] as number);
        assert.deepEqual(seqs(await stream.read("3.", 1, atOnce)), [...a.slice(3), ...b]);
        // What was purged before is expected still: the newest one counts, not how many there are.
        const next = storedAt(await stream.publish("3.a", a[4] as number, text("next")));
        await stream.purge("3.a", next + 1);
        assert.equal(await stream.newest("3.a"), null);
        assert.deepEqual(await stream.publish("3.a", next, text("late")), overtaken);
        assert.ok(storedAt(await stream.publish("3.a", 0, text("anew"))) > next);
        assert.equal((await stream.newest("3.a.b"))?.seq, b[1]);
      },
    );

    check("the live subjects of a prefix are those that hold messages", async ({ stream }) => {
      assert.deepEqual(await stream.live(""), { lastSeq: 0, subjects: [] });
      const all = ["3.a", "3.b.c", "33.a", "4.a"];
      let last = 0;
      for (const subject of all) last = storedAt(await stream.publish(subject, 0, text(subject)));
      assert.deepEqual((await stream.live("3.")).subjects.toSorted(), ["3.a", "3.b.c"]);
      assert.deepEqual((await stream.live("3.b.")).subjects, ["3.b.c"]);
      const listed = await stream.live("");
      assert.deepEqual(listed.subjects.toSorted(), all);
      assert.equal(listed.lastSeq, last);
      await stream.purge("3.a", last + 1);
      assert.deepEqual(await stream.live("3."), { lastSeq: last, subjects: ["3.b.c"] });
      assert.deepEqual((await stream.live("5.")).subjects, []);
    });

    check(
      "messages are read in order, from a sequence on, within the limits, and none is left out",
      async ({ stream }) => {
        const expected: StoredMessage[] = [];
        for (const subject of ["3.a", "4.a", "3.b", "3.a", "33.a", "3.b", "3.a"]) {
          const before = (await stream.newest(subject))?.seq ?? 0;
          const bytes = text(`${subject} ${expected.length}`);
          const seq = storedAt(await stream.publish(subject, before, bytes));
          if (subject.startsWith("3.")) expected.push({ subject, seq, bytes });
        }
        assert.deepEqual((await stream.read("3.", 1, atOnce)).map(plain), expected);
        assert.deepEqual((await stream.read("3.", 0, atOnce)).map(plain), expected);
        // The same reader goes on, another one begins in the middle, and one goes back.
        const found: StoredMessage[] = [];
        while (found.length < expected.length) {
          const page = await stream.read("3.", (found.at(-1)?.seq ?? 0) + 1, { ...atOnce, messagesMax: 2 });
          assert.ok(page.length > 0 && page.length <= 2);
          found.push(...page.map(plain));
        }
        assert.deepEqual(found, expected);
        for (const [at, { seq }] of expected.entries()) {
          assert.deepEqual((await stream.read("3.", seq, atOnce)).map(plain), expected.slice(at));
          assert.deepEqual((await stream.read("3.", seq + 1, atOnce)).map(plain), expected.slice(at + 1));
        }
      },
    );

    check("a read keeps to about its bytes, and gives one message however large", async ({ stream }) => {
      const large = new Uint8Array(10_000);
      let seq = 0;
      for (let nth = 0; nth < 6; nth++) seq = storedAt(await stream.publish("3.a", seq, large));
      const some = await stream.read("3.", 1, { ...atOnce, bytesMax: 35_000 });
      assert.ok(some.length >= 2 && some.length <= 4, `${some.length} messages`);
      const one = await stream.read("3.", (some.at(-1)?.seq ?? 0) + 1, { ...atOnce, bytesMax: 10 });
      assert.equal(one.length, 1);
      const rest = await stream.read("3.", (one[0]?.seq ?? 0) + 1, atOnce);
      assert.deepEqual(seqs([...some, ...one, ...rest]), [1, 2, 3, 4, 5, 6]);
    });

    check("a read waits for what comes, and no longer than it was told", async ({ stream, other }) => {
      assert.deepEqual(await stream.read("3.", 1, { ...atOnce, waitMs: 20 }), []);
      const waiting = stream.read("3.", 1, { ...atOnce, waitMs: 20_000 });
      storedAt(await other.stream.publish("4.a", 0, text("not this")));
      // Long enough for a reader that takes anything for its own.
      await new Promise((resolve) => setImmediate(resolve));
      const seq = storedAt(await other.stream.publish("3.a", 0, text("this")));
      assert.deepEqual(seqs(await waiting), [seq]);
      assert.deepEqual(await stream.read("3.", seq + 1, { ...atOnce, waitMs: 20 }), []);
      const next = storedAt(await other.stream.publish("3.a", seq, text("next")));
      assert.deepEqual(seqs(await stream.read("3.", seq + 1, { ...atOnce, waitMs: 20_000 })), [next]);
    });

    check("two that read the same prefix at once both get everything", async ({ stream }) => {
      const all = await fill(stream, "3.a", 20);
      const pages = await Promise.all([1, 2, 3].map(() => stream.read("3.", 1, atOnce)));
      for (const page of pages) assert.deepEqual(seqs(page), all);
    });

    check(
      "I6: a full stream takes nothing and drops nothing, and what is purged is room again",
      async ({ stream }) => {
        const seqsStored: number[] = [];
        let outcome: Written = { outcome: "unsure" };
        for (let nth = 0; nth < 20; nth++) {
          outcome = await stream.publish("3.a", seqsStored.at(-1) ?? 0, new Uint8Array(20_000));
          if (outcome.outcome !== "stored") break;
          seqsStored.push(outcome.seq);
        }
        assert.deepEqual(outcome, { outcome: "full" });
        assert.ok(seqsStored.length >= 4 && seqsStored.length <= 5);
        const usage = await stream.usage();
        assert.equal(usage.bytesMax, 100_000);
        assert.ok(usage.bytes >= seqsStored.length * 20_000 && usage.bytes <= usage.bytesMax, `${usage.bytes} bytes`);
        assert.deepEqual(seqs(await stream.read("3.", 1, atOnce)), seqsStored);
        const last = seqsStored.at(-1) as number;
        await stream.purge("3.a", last);
        assert.ok((await stream.usage()).bytes < 30_000);
        storedAt(await stream.publish("3.a", last, new Uint8Array(20_000)));
      },
      100_000,
    );

    check("nothing is answered from a stream that was deleted", async ({ stream, remove }) => {
      const seq = storedAt(await stream.publish("3.a", 0, text("one")));
      assert.deepEqual(seqs(await stream.read("3.", 1, atOnce)), [seq]);
      await remove();
      const calls: (() => Promise<unknown>)[] = [
        () => stream.publish("3.a", seq, text("two")),
        () => stream.publish("3.a", 0, text("two")),
        () => stream.newest("3.a"),
        () => stream.purge("3.a", 9),
        () => stream.live(""),
        () => stream.read("3.", 1, atOnce),
        () => stream.read("3.", seq + 1, atOnce),
        () => stream.usage(),
      ];
      for (const call of calls) await assert.rejects(call, isMissing, String(call));
    });
  });
}

const atOnce = { messagesMax: 1000, bytesMax: 8 * 1024 * 1024, waitMs: 100 };
export const overtaken = { outcome: "overtaken" };

export function text(words: string): Uint8Array {
  return Uint8Array.from(Buffer.from(words));
}

export function storedAt(written: Written): number {
  if (written.outcome === "stored") return written.seq;
  throw new assert.AssertionError({ message: `it was not stored but ${written.outcome}` });
}

/** Stores some messages of a subject, and tells their sequences. */
async function fill(stream: JournalStream, subject: string, count: number): Promise<number[]> {
  const stored: number[] = [];
  for (let nth = 0; nth < count; nth++) {
    stored.push(storedAt(await stream.publish(subject, stored.at(-1) ?? 0, text(`${subject} ${nth}`))));
  }
  return stored;
}

export function seqs(messages: readonly StoredMessage[]): number[] {
  return messages.map(({ seq }) => seq);
}

/** Without what kind of array its bytes stand in. */
function plain<T extends StoredMessage | null>(message: T): T {
  return message === null ? message : { ...message, bytes: Uint8Array.from(message.bytes) };
}

export const isMissing = (error: unknown) => error instanceof StreamTrouble && error.kind === "missing";
const isDefect = (error: unknown) => error instanceof Error && !(error instanceof StreamTrouble);
