/** What the adapter says while real servers die, hang and cannot reach each other: never that something is stored that is not. */
import assert from "node:assert/strict";
import { createServer, connect as dial, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { type NatsCluster, type NatsOptions, startNats } from "../../demo/nats/cluster.ts";
import { natsMissing } from "../../demo/nats/server.ts";
import {
  type JournalStream,
  type StoredMessage,
  StreamTrouble,
  type Written,
} from "../../gateway/journal/jetstream/stream.ts";
import { seqs, storedAt, text } from "../contract/journal-stream.ts";
import { connect, newJournal, type RealJournal } from "./cluster-under-test.ts";

const missing = natsMissing();
const all = { messagesMax: 10_000, bytesMax: 64 * 1024 * 1024, waitMs: 1_000 };

void describe("three real NATS servers in trouble", { skip: missing ?? false, concurrency: 3 }, () => {
  /** A cluster of the test's own, and a journal, over a connection to all nodes. */
  async function setUp(
    t: TestContext,
    options: NatsOptions = {},
  ): Promise<{ cluster: NatsCluster; journal: RealJournal }> {
    const cluster = await startNats(3, options);
    t.after(() => cluster.stop());
    return { cluster, journal: await newJournal(await connect(t, cluster)) };
  }

  /** The journal over a connection to one node only. */
  async function at(t: TestContext, cluster: NatsCluster, journal: RealJournal, node: number): Promise<JournalStream> {
    return journal.over(await connect(t, cluster, { servers: [cluster.address(node)] })).stream;
  }

  /** What came of a call: its outcome, or the kind of its trouble. */
  async function outcomeOf(call: Promise<Written>): Promise<string> {
    try {
      return (await call).outcome;
    } catch (error) {
      if (error instanceof StreamTrouble) return error.kind;
      throw error;
    }
  }

  /** Stores a message behind what it reads, again and again, until it stands there: rule 5. */
  async function persist(stream: JournalStream, subject: string, before: number, bytes: Uint8Array): Promise<number> {
    for (let expected = before; ; ) {
      const outcome = await outcomeOf(stream.publish(subject, expected, bytes));
      assert.ok(["stored", "overtaken", "unsure", "away"].includes(outcome), outcome);
      const newest = await persistently(() => stream.newest(subject));
      if (newest !== null && Buffer.compare(newest.bytes, bytes) === 0) return newest.seq;
      expected = newest?.seq ?? 0;
    }
  }

  async function persistently<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof StreamTrouble) || error.kind !== "away") throw error;
        // An answer that nobody is there comes at once.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async function everything(stream: JournalStream): Promise<StoredMessage[]> {
    const found: StoredMessage[] = [];
    for (;;) {
      const page = await persistently(() =>
        stream.read("", (found.at(-1)?.seq ?? 0) + 1, { ...all, messagesMax: 500 }),
      );
      if (page.length === 0) return found;
      found.push(...page);
    }
  }

  const words = (messages: readonly StoredMessage[]) => messages.map(({ bytes }) => Buffer.from(bytes).toString());

  test("I3, I4: the leader is killed with 200 publishes in flight: each message stands there once, in its order", async (t) => {
    const { cluster, journal } = await setUp(t);
    const lanes = Array.from({ length: 200 }, (_, lane) => `3.${lane}`);
    const each = 8;
    let count = 0;
    let killed: Promise<void> | undefined;
    const expected: string[] = [];
    await Promise.all(
      lanes.map(async (lane) => {
        let seq = 0;
        for (let nth = 1; nth <= each; nth++) {
          expected.push(`${lane} ${nth}`);
          seq = await persist(journal.stream, lane, seq, text(`${lane} ${nth}`));
          if (++count === lanes.length * 3) killed = journal.leader().then((leader) => cluster.kill(leader));
        }
      }),
    );
    assert.ok(killed !== undefined);
    await killed;
    const found = await everything(journal.stream);
    assert.deepEqual(words(found).toSorted(), expected.toSorted());
    for (const lane of lanes) {
      const own = found.filter(({ subject }) => subject === lane);
      assert.deepEqual(
        words(own),
        Array.from({ length: each }, (_, nth) => `${lane} ${nth + 1}`),
      );
    }
  });

  test("I4: two publishers race a thousand times for one subject, and one wins each time", async (t) => {
    const { cluster, journal } = await setUp(t);
    const streams = [await at(t, cluster, journal, 1), await at(t, cluster, journal, 2)];
    let seq = 0;
    const won = [0, 0];
    for (let race = 0; race < 1_000; race++) {
      const written = await Promise.all(
        streams.map((stream, who) => stream.publish("3.a", seq, text(`${race} ${who}`))),
      );
      const winners = written.flatMap((one, who) => (one.outcome === "stored" ? [{ who, seq: one.seq }] : []));
      assert.equal(winners.length, 1, JSON.stringify(written));
      assert.ok(written.some(({ outcome }) => outcome === "overtaken"));
      won[winners[0]!.who]! += 1;
      seq = winners[0]!.seq;
    }
    const { subjects, lastSeq } = await journal.stream.live("");
    assert.deepEqual([subjects, lastSeq], [["3.a"], 1_000]);
    assert.equal((await everything(journal.stream)).length, 1_000);
    t.diagnostic(`won: ${won.join(" and ")}`);
  });

  test("I4: a publish whose answer was lost says that it is unsure, and is overtaken when it is sent again", async (t) => {
    const { cluster, journal } = await setUp(t);
    const deaf = await deafWay(t, cluster.address(1));
    const stream = journal.over(await connect(t, cluster, { servers: [deaf.address], answerMs: 1_000 })).stream;
    const first = storedAt(await stream.publish("3.a", 0, text("one")));
    deaf.losesAnswers();
    assert.equal(await outcomeOf(stream.publish("3.a", first, text("two"))), "unsure");
    assert.equal(await outcomeOf(journal.stream.publish("3.a", first, text("two"))), "overtaken");
    assert.deepEqual(words(await everything(journal.stream)), ["one", "two"]);
  });

  test("I3, I4: the leader hangs with a publish, and wakes up: it stands there once or not at all, and never twice", async (t) => {
    const { cluster, journal } = await setUp(t);
    const before = storedAt(await journal.stream.publish("3.a", 0, text("before")));
    const leader = await journal.leader();
    const follower = cluster.nodes.find((node) => node !== leader) as number;
    const stream = await at(t, cluster, journal, follower);
    await cluster.pause(leader);
    const outcome = await outcomeOf(stream.publish("3.a", before, text("once")));
    assert.ok(["unsure", "away"].includes(outcome), outcome);
    const seq = await persist(stream, "3.a", before, text("once"));
    cluster.resume(leader);
    // It goes on from where it stood, as the leader that it was; what it held then must come to nothing.
    const last = await persist(await at(t, cluster, journal, leader), "3.a", seq, text("after"));
    assert.ok(last > seq);
    assert.deepEqual(words(await everything(journal.stream)), ["before", "once", "after"]);
  });

  test("I3: a server that hears of no other stores nothing, reads nothing for sure, and says so", async (t) => {
    const { cluster, journal } = await setUp(t);
    const before = storedAt(await journal.stream.publish("3.a", 0, text("before")));
    const leader = await journal.leader();
    const stream = await at(t, cluster, journal, leader);
    const others = cluster.nodes.filter((node) => node !== leader);
    await Promise.all(others.map((node) => cluster.pause(node)));
    for (const subject of ["3.a", "3.b"]) {
      const outcome = await outcomeOf(stream.publish(subject, subject === "3.a" ? before : 0, text("alone")));
      assert.ok(["unsure", "away"].includes(outcome), outcome);
    }
    for (const node of others) cluster.resume(node);
    const seq = await persist(stream, "3.a", before, text("together"));
    const found = words(await everything(stream)).filter((word) => word !== "alone");
    assert.deepEqual(found, ["before", "together"]);
    assert.ok(seq > before);
  });

  test("I3, I4: a leader that is cut off stores nothing more; after it is back there is one history", async (t) => {
    const { cluster, journal } = await setUp(t, { canCut: true });
    const before = storedAt(await journal.stream.publish("3.a", 0, text("before")));
    const leader = await journal.leader();
    const cutOff = await at(t, cluster, journal, leader);
    const inside = await at(t, cluster, journal, cluster.nodes.find((node) => node !== leader) as number);
    cluster.cut(leader);
    const alone = outcomeOf(cutOff.publish("3.a", before, text("cut off")));
    const seq = await persist(inside, "3.a", before, text("majority"));
    const outcome = await alone;
    assert.ok(["unsure", "away"].includes(outcome), outcome);
    cluster.heal(leader);
    await persist(cutOff, "3.a", seq, text("after"));
    assert.deepEqual(words(await everything(inside)), ["before", "majority", "after"]);
  });

  test("I3: all servers are killed at once under load: what was acknowledged is there, and never is the stream called missing", async (t) => {
    const { cluster, journal } = await setUp(t);
    const lanes = Array.from({ length: 20 }, (_, lane) => `3.${lane}`);
    let count = 0;
    let isOver = false;
    const enough = Promise.withResolvers<void>();
    const acknowledged: string[] = [];
    // `persist` stops at any trouble but `away`, and so do these.
    const writing = lanes.map(async (lane) => {
      for (let seq = 0, nth = 1; !isOver; nth++) {
        seq = await persist(journal.stream, lane, seq, text(`${lane} ${nth}`));
        acknowledged.push(`${lane} ${nth}`);
        if (++count === 400) enough.resolve();
      }
    });
    const listing = (async () => {
      while (!isOver) {
        await persistently(() => journal.stream.live(""));
        await persistently(() => journal.archive.get("a"));
      }
    })();
    await enough.promise;
    await Promise.all(cluster.nodes.map((node) => cluster.kill(node)));
    const before = acknowledged.length;
    await cluster.start(...cluster.nodes);
    while (acknowledged.length < before + 200) await new Promise((resolve) => setTimeout(resolve, 20));
    isOver = true;
    await Promise.all([...writing, listing]);
    assert.deepEqual(words(await everything(journal.stream)).toSorted(), acknowledged.toSorted());
  });

  test("I2: a reader goes on without a hole while each server is killed in turn", async (t) => {
    const { cluster, journal } = await setUp(t);
    const { stream } = journal;
    let isOver = false;
    const writing = (async () => {
      let seq = 0;
      let nth = 0;
      while (!isOver) seq = await persist(stream, "3.a", seq, text(String(++nth)));
      return nth;
    })();
    const found: StoredMessage[] = [];
    for (const node of cluster.nodes) {
      const enough = found.length + 100;
      while (found.length < enough) {
        found.push(
          ...(await persistently(() => stream.read("3.", (found.at(-1)?.seq ?? 0) + 1, { ...all, messagesMax: 7 }))),
        );
      }
      await cluster.kill(node);
      await cluster.start(node);
    }
    isOver = true;
    const written = await writing;
    found.push(...(await persistently(() => stream.read("3.", (found.at(-1)?.seq ?? 0) + 1, all))));
    assert.deepEqual(
      words(found),
      Array.from({ length: written }, (_, nth) => String(nth + 1)),
    );
    assert.deepEqual(
      seqs(found),
      seqs(found).toSorted((a, b) => a - b),
    );
  });
});

/** A way to a server that at some point carries nothing back any more, as if answers were lost. */
async function deafWay(t: TestContext, address: string): Promise<{ address: string; losesAnswers(): void }> {
  const sockets = new Set<Socket>();
  let isDeaf = false;
  const server = createServer((near) => {
    const [host = "", port = ""] = address.split(":");
    const far = dial(Number(port), host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    near.pipe(far);
    far.on("data", (bytes) => {
      if (!isDeaf) near.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const own = server.address();
  assert.ok(typeof own === "object" && own !== null);
  return { address: `127.0.0.1:${own.port}`, losesAnswers: () => void (isDeaf = true) };
}
