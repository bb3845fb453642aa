/** What a journal on JetStream demands of servers and streams, without any of them. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { streamFindings, wantedStreams } from "../../gateway/journal/jetstream/nats/layout-rules.ts";
import { connectNats } from "../../gateway/journal/jetstream/nats/link.ts";
import {
  isSupported,
  reportOf,
  type ServerReport,
  serverFindings,
} from "../../gateway/journal/jetstream/nats/server-rules.ts";
import { StreamTrouble } from "../../gateway/journal/jetstream/stream.ts";
import { realEnv } from "../../shared/env.ts";

void describe("NATS servers", () => {
  const fit: ServerReport = { name: "n1", version: "2.15.2", hasJetStream: true, syncsAlways: true, clusterSize: 3 };
  const three = ["n1", "n2", "n3"].map((name) => ({ ...fit, name }));
  const whats = (reports: readonly ServerReport[] | null, holders: readonly string[] = []) =>
    serverFindings(reports, holders).map(({ severity, what }) => `${severity}: ${what}`);

  void it("are fit from 2.14 on", () => {
    for (const version of ["2.14.0", "2.14.0-RC.1", "v2.15.2", "2.100.1", "3.0.0"])
      assert.ok(isSupported(version), version);
    for (const version of ["2.13.9", "2.9.10", "1.99.9", "2.14", "", "two"]) assert.ok(!isSupported(version), version);
  });

  void it("are named where they are too old or do not write through, and counted where they are silent", () => {
    assert.deepEqual(whats(three, ["n1", "n2", "n3"]), []);
    assert.deepEqual(whats([...three.slice(0, 2), { ...fit, name: "n3", version: "2.10.27" }]), [
      "fault: the NATS server n3 is 2.10.27",
    ]);
    assert.deepEqual(whats(three.map((one) => ({ ...one, syncsAlways: one.name !== "n2" }))), [
      "fault: the NATS server n2 does not write through to the disk",
    ]);
    assert.deepEqual(whats(three.slice(0, 2), ["n1", "n3"]), ["warning: not every NATS server answered: n3"]);
    assert.deepEqual(whats(three.slice(0, 2)), ["warning: not every NATS server answered: 1 of 3"]);
    assert.deepEqual(whats(null), ["fault: the NATS servers do not say whether they write through to the disk"]);
    // One without JetStream holds nothing.
    assert.deepEqual(whats([...three, { ...fit, name: "edge", hasJetStream: false, syncsAlways: false }]), []);
  });

  void it("say what they are in an answer, and anything else is no answer", () => {
    const answer = (config: object) => ({ server: { name: "n1", ver: "2.15.2", jetstream: true }, data: { config } });
    assert.equal(reportOf(answer({ sync_always: true, sync_interval: 120e9 }))?.syncsAlways, true);
    assert.equal(reportOf(answer({ sync_interval: 1 }))?.syncsAlways, false);
    assert.equal(reportOf(answer({ sync_always: "true" }))?.syncsAlways, false);
    for (const junk of [null, 7, {}, { server: 1 }, { server: { name: 1, ver: "2" } }])
      assert.equal(reportOf(junk), undefined);
  });

  void it("are refused before anything is asked of them where they are too old", async (t: TestContext) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write(
        `INFO ${JSON.stringify({ server_id: "X", version: "2.10.27", max_payload: 1_048_576, proto: 1, headers: true })}\r\n`,
      );
      socket.on("data", (bytes) => {
        if (bytes.includes("PING")) socket.write("PONG\r\n");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    t.after(() => server.close());
    const { port } = server.address() as { port: number };
    const settings = { servers: [`127.0.0.1:${port}`], name: "test", login: null, tls: null, answerMs: 1_000 };
    await assert.rejects(connectNats(settings, realEnv()), (error: unknown) => {
      assert.ok(error instanceof StreamTrouble && error.kind === "refused");
      assert.match(error.message, /2\.10\.27; 2\.14 is the oldest/);
      return true;
    });
  });
});

void describe("a stream's configuration", () => {
  const settings = { groupId: "a".repeat(32), replicas: 3, journalBytesMax: 9e9, archiveBytesMax: 1e9 } as const;
  const [journal] = wantedStreams(settings, "b".repeat(32));

  void it("has no findings where it is as wanted, or better", () => {
    assert.ok(journal !== undefined);
    assert.deepEqual(streamFindings(journal, journal), []);
    assert.deepEqual(
      streamFindings(journal, {
        ...journal,
        num_replicas: 5,
        max_msg_size: -1,
        some_new_field: 1,
        consumer_limits: {},
      }),
      [],
    );
    // Servers leave out what is false.
    const { sealed: _sealed, no_ack: _noAck, deny_purge: _denyPurge, ...rest } = journal;
    assert.deepEqual(streamFindings(journal, rest), []);
  });

  void it("is at fault in each field that breaks a promise", () => {
    assert.ok(journal !== undefined);
    const edits = {
      subjects: ["other.>"],
      retention: "workqueue",
      storage: "memory",
      discard: "old",
      num_replicas: 1,
      max_bytes: -1,
      max_msgs: 5,
      max_age: 1,
      max_msgs_per_subject: 1,
      max_msg_size: 1,
      max_consumers: 1,
      deny_delete: false,
      deny_purge: true,
      allow_direct: true,
      sealed: true,
      no_ack: true,
      mirror: { name: "x" },
      sources: [{ name: "x" }],
      subject_transform: { src: "a", dest: "b" },
      allow_msg_ttl: true,
      persist_mode: "async",
      consumer_limits: { inactive_threshold: 1 },
      discard_new_per_subject: true,
    };
    for (const [field, value] of Object.entries(edits)) {
      const findings = streamFindings(journal, { ...journal, [field]: value });
      assert.deepEqual(
        findings.map(({ severity }) => severity),
        ["fault"],
        field,
      );
      assert.match(findings[0]?.what ?? "", new RegExp(field));
    }
  });
});
