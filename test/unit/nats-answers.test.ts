/** What the adapter to JetStream makes of answers, without any server: error codes, lists in pages, and what is no answer. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Answer, type JetStream, jetStream } from "../../gateway/journal/jetstream/nats/api.ts";
import { troubleMeaning, writeMeaning } from "../../gateway/journal/jetstream/nats/api-errors.ts";
import { journalArchive } from "../../gateway/journal/jetstream/nats/archive.ts";
import { journalStream } from "../../gateway/journal/jetstream/nats/journal-stream.ts";
import { listSubjects } from "../../gateway/journal/jetstream/nats/leader.ts";
import type { NatsLink } from "../../gateway/journal/jetstream/nats/link.ts";
import { NoAnswer, type Silence } from "../../gateway/journal/jetstream/nats/link-errors.ts";
import { StreamTrouble, type StreamTroubleKind } from "../../gateway/journal/jetstream/stream.ts";

const isTrouble = (kind: StreamTroubleKind) => (error: unknown) =>
  error instanceof StreamTrouble && error.kind === kind;

void describe("errors of JetStream", () => {
  const error = (errCode: number, code = 500, description = "") => ({ code, errCode, description });

  void it("say of a write what is sure, and are unsure of the rest", () => {
    const table: [number, string, string][] = [
      [10071, "wrong last sequence: 7", "overtaken"],
      [10164, "wrong last sequence", "in-process"],
      [10077, "maximum bytes exceeded", "full"],
      [10077, "maximum messages exceeded", "full"],
      [10077, "input/output error", "unsure"],
      [10047, "insufficient storage resources available", "full"],
      [10002, "resource limits exceeded for account", "full"],
      [10059, "stream not found", "missing"],
      [10060, "expected stream does not match", "missing"],
      [10008, "JetStream system temporarily unavailable", "away"],
      [10163, "expected last sequence per subject temporarily unavailable", "away"],
      [10039, "JetStream not enabled for account", "refused"],
      [10054, "message size exceeds maximum allowed", "defect"],
      [99999, "never heard of", "unsure"],
    ];
    for (const [errCode, text, meaning] of table) assert.equal(writeMeaning(error(errCode, 500, text)), meaning, text);
    assert.equal(writeMeaning(error(99999, 400)), "refused");
  });

  void it("are troubles of everything else", () => {
    assert.equal(troubleMeaning(error(10059, 404)), "missing");
    assert.equal(troubleMeaning(error(10008, 503)), "away");
    assert.equal(troubleMeaning(error(99999, 503)), "away");
    assert.equal(troubleMeaning(error(10026, 400)), "refused");
    assert.equal(troubleMeaning(error(10047, 500)), "away");
  });
});

void describe("answers of JetStream", () => {
  /** A link whose answers are given. */
  function linkOf(answer: (subject: string) => string | Silence): NatsLink & { readonly asked: string[] } {
    const asked: string[] = [];
    return {
      asked,
      payloadBytesMax: 1_048_576,
      async request(subject) {
        asked.push(subject);
        const text = answer(subject);
        if (text.startsWith("{") || text === "junk") return Buffer.from(text);
        throw new NoAnswer(text as Silence, text);
      },
      requestAll: async () => [],
      pull: async () => true,
      wait: async () => {},
      close: async () => {},
    };
  }
  const publish = (answer: string | Silence) =>
    jetStream(linkOf((subject) => (subject.startsWith("$JS") ? '{"config":{},"state":{}}' : answer))).publish(
      "s",
      "s.a",
      0,
      Buffer.from("x"),
    );

  void it("I3: acknowledge only what names the stream and a sequence", async () => {
    assert.deepEqual(await publish('{"stream":"s","seq":7}'), { outcome: "stored", seq: 7 });
    const doubtful = [
      "junk",
      "{}",
      '{"stream":"s"}',
      '{"stream":"s","seq":0}',
      '{"stream":"s","seq":"7"}',
      '{"stream":"t","seq":7}',
    ];
    for (const answer of doubtful) assert.deepEqual(await publish(answer), { outcome: "unsure" }, answer);
    assert.deepEqual(await publish("silent"), { outcome: "unsure" });
  });

  void it("I4: refuse nothing for a message of the subject that is only not yet ticked off", async () => {
    const inProcess = '{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}';
    const answers = [inProcess, inProcess, '{"stream":"s","seq":7}'];
    const jet = jetStream(linkOf(() => answers.shift() ?? inProcess));
    assert.deepEqual(await jet.publish("s", "s.a", 0, Buffer.from("x")), { outcome: "stored", seq: 7 });
    assert.deepEqual(await jet.publish("s", "s.a", 0, Buffer.from("x")), { outcome: "overtaken" });
  });

  void it("are away where nothing was sent or nobody took it, and refused where it may not be asked", async () => {
    await assert.rejects(publish("unsent"), isTrouble("away"));
    await assert.rejects(publish("nobody"), isTrouble("away"));
    await assert.rejects(publish("refused"), isTrouble("refused"));
  });

  void it("ask once why nobody takes messages, however many wait", async () => {
    const gone = '{"error":{"code":404,"err_code":10059,"description":"stream not found"}}';
    const link = linkOf((subject) => (subject.startsWith("$JS") ? gone : "nobody"));
    const jet = jetStream(link);
    const calls = Array.from({ length: 50 }, () => jet.publish("s", "s.a", 0, Buffer.from("x")));
    for (const call of calls) await assert.rejects(call, isTrouble("missing"));
    assert.equal(link.asked.filter((subject) => subject === "$JS.API.STREAM.INFO.s").length, 1);
  });

  void it("I8: are not parsed where they are too long", async () => {
    const long = `{"message":{"seq":1,"data":"${"A".repeat(2_000_000)}"}}`;
    const jet = jetStream(linkOf(() => long));
    await assert.rejects(journalStream(jet, "s", "s.").newest("a"), isTrouble("refused"));
    await assert.rejects(journalArchive(jet, "s").get("a"), isTrouble("refused"));
  });

  void it("of a member that knows no leader decide nothing", async () => {
    const jet = jetStream(
      linkOf(() => '{"config":{"max_bytes":9},"state":{"bytes":1,"last_seq":1},"cluster":{"replicas":[]}}'),
    );
    await assert.rejects(journalStream(jet, "s", "s.").usage(), isTrouble("away"));
    await assert.rejects(journalStream(jet, "s", "s.").live(""), isTrouble("away"));
  });
});

void describe("a list in pages", () => {
  /** Answers two subjects at a time; what is there may change after each page. */
  function paged(states: readonly (readonly string[])[]): JetStream & { readonly pages: number } {
    let pages = 0;
    return {
      get pages() {
        return pages;
      },
      async ask(_operation, body): Promise<Answer> {
        const all = states[Math.min(pages++, states.length - 1)] as readonly string[];
        const { offset } = body as { offset: number };
        const subjects = Object.fromEntries(all.slice(offset, offset + 2).map((subject) => [subject, 1]));
        return { fields: { config: {}, state: { bytes: 0, last_seq: 10 * pages, subjects }, total: all.length } };
      },
      publish: () => Promise.reject(new Error("not asked for")),
      pull: () => Promise.reject(new Error("not asked for")),
      wait: async () => {},
    };
  }
  const all = ["a", "b", "c", "d", "e"];

  void it("is whole, and as old as its first page", async () => {
    assert.deepEqual(await listSubjects(paged([all]), "s", ">"), { lastSeq: 10, subjects: all });
    assert.deepEqual(await listSubjects(paged([[]]), "s", ">"), { lastSeq: 10, subjects: [] });
  });

  void it("passes over nothing where subjects go while it is read", async () => {
    // Without "a" the page from offset 2 on would begin behind "c".
    const { subjects } = await listSubjects(paged([all, all.slice(1)]), "s", ">");
    assert.deepEqual(subjects, all.slice(1));
  });

  void it("takes a new subject or leaves it, and keeps the others", async () => {
    const { subjects } = await listSubjects(paged([all, ["a", "b", "bb", "c", "d", "e"]]), "s", ">");
    assert.deepEqual(
      subjects.filter((subject) => subject !== "bb"),
      all,
    );
  });

  void it("gives up where it changes without end", async () => {
    let turn = 0;
    const states = Array.from({ length: 100 }, () => (turn++ % 2 === 0 ? all : all.slice(1)));
    await assert.rejects(listSubjects(paged(states), "s", ">"), isTrouble("away"));
  });
});
