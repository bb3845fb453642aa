/** The contract of streams and archives on three real NATS servers, by two connections to different ones. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type NatsCluster, startNats } from "../../demo/nats/cluster.ts";
import { natsMissing } from "../../demo/nats/server.ts";
import type { NatsLink } from "../../gateway/journal/jetstream/nats/link.ts";
import type { JournalArchive, JournalStream } from "../../gateway/journal/jetstream/stream.ts";
import { journalArchiveContract } from "../contract/journal-archive.ts";
import { journalStreamContract, type StreamSubject } from "../contract/journal-stream.ts";
import { fakeJournalStream } from "../fakes/journal-stream.ts";
import { connect, newJournal } from "./cluster-under-test.ts";

const missing = natsMissing();

void describe("three real NATS servers", { skip: missing ?? false }, () => {
  let cluster: NatsCluster;
  let one: NatsLink;
  let two: NatsLink;
  const ends: (() => unknown)[] = [];
  const scope = { after: (action: () => unknown) => void ends.push(action) };
  before(async () => {
    cluster = await startNats(3);
    one = await connect(scope, cluster, { servers: [cluster.address(1)] });
    two = await connect(scope, cluster, { servers: [cluster.address(2)] });
  });
  after(async () => {
    for (const end of ends) await end();
    await cluster.stop();
  });

  async function open(journalBytesMax: number): Promise<StreamSubject> {
    const journal = await newJournal(one, { journalBytesMax });
    const { stream, archive, remove } = journal;
    return { stream, archive, remove, other: journal.over(two) };
  }

  journalStreamContract("real", open);
  journalArchiveContract("real", open);

  test("the fake answers as the real ones do, whatever is asked in whatever order", async () => {
    const real = await newJournal(one, { journalBytesMax: 1_000_000 });
    const fake = fakeJournalStream(1_000_000);
    const random = seeded(20_261_120);
    for (let step = 0; step < 700; step++) {
      const call = anyCall(random);
      const expected = await outcomeOf(call.run(fake));
      let found = await outcomeOf(call.run(real));
      // A replica that lags behind may answer a read; it gives the rest a little later.
      while (call.isRead && isShorter(found, expected)) {
        found = await outcomeOf(call.run(real));
      }
      assert.deepEqual(found, expected, `step ${step}: ${call.name}`);
    }
  });
});

interface Call {
  readonly name: string;
  readonly isRead: boolean;
  run(subject: { readonly stream: JournalStream; readonly archive: JournalArchive }): Promise<unknown>;
}

/** A call about few names and small numbers, so that most of them concern each other. */
function anyCall(random: () => number): Call {
  const below = (end: number) => Math.floor(random() * end);
  const name = ["1.a", "1.b", "2.a", "2.a.b"][below(4)] as string;
  const prefix = ["", "1.", "2.", "2.a.", "3."][below(5)] as string;
  const bytes = Buffer.from(`${below(1_000_000)}`);
  // Mostly what is expected in vain, and often what is right.
  const isRight = random() < 0.7;
  const guess = below(60);
  const seqOf = async (found: Promise<{ seq?: number; revision?: number } | null>) => {
    const last = await found;
    return isRight ? (last?.seq ?? last?.revision ?? 0) : guess;
  };
  const calls: Record<string, Call["run"]> = {
    publish: async ({ stream }) => await stream.publish(name, await seqOf(stream.newest(name)), bytes),
    newest: ({ stream }) => stream.newest(name),
    purge: async ({ stream }) => await stream.purge(name, await seqOf(stream.newest(name))),
    live: async ({ stream }) => {
      const { lastSeq, subjects } = await stream.live(prefix);
      return { lastSeq, subjects: subjects.toSorted() };
    },
    read: ({ stream }) => stream.read(prefix, guess, { messagesMax: 1_000, bytesMax: 1_000_000, waitMs: 5 }),
    put: async ({ archive }) => await archive.put(name, await seqOf(archive.get(name)), bytes),
    get: ({ archive }) => archive.get(name),
    remove: async ({ archive }) => await archive.remove(name, Math.max(1, await seqOf(archive.get(name)))),
    keys: async ({ archive }) => (await archive.keys(prefix)).toSorted(),
  };
  const names = Object.keys(calls);
  const kind = names[below(names.length)] as string;
  return { name: `${kind} ${name} ${prefix} ${guess}`, isRead: kind === "read", run: calls[kind] as Call["run"] };
}

/** What a call came to, comparable. */
async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return comparable(await call);
  } catch (error) {
    return String(error);
  }
}

const isShorter = (found: unknown, expected: unknown) =>
  Array.isArray(found) && Array.isArray(expected) && found.length < expected.length;

function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, comparable(part)]));
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
