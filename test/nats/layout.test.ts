/** What a journal stands on, made and checked on real servers: what differs is named, and nothing of it is changed. */
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { type NatsCluster, type NatsOptions, startNats } from "../../demo/nats/cluster.ts";
import { natsMissing } from "../../demo/nats/server.ts";
import { jetStream } from "../../gateway/journal/jetstream/nats/api.ts";
import { checkLayout, makeLayout, movePointer, readPointer } from "../../gateway/journal/jetstream/nats/layout.ts";
import type { LayoutFinding, LayoutSettings } from "../../gateway/journal/jetstream/nats/layout-rules.ts";
import { streamInfo } from "../../gateway/journal/jetstream/nats/leader.ts";
import { storedAt } from "../contract/journal-stream.ts";
import { connect, connectSystem, newId, newJournal, secretFile } from "./cluster-under-test.ts";

const missing = natsMissing();

void describe("the layout of a journal on real NATS servers", { skip: missing ?? false, concurrency: 2 }, () => {
  async function started(t: TestContext, count: 1 | 3, options: NatsOptions = {}): Promise<NatsCluster> {
    const cluster = await startNats(count, options);
    t.after(() => cluster.stop());
    return cluster;
  }

  const blind = (t: TestContext) => ({ login: { user: "blind", passwordFile: secretFile(t, "blind-password") } });
  const settingsOf = (more: Partial<LayoutSettings> = {}): LayoutSettings => ({
    groupId: newId(),
    replicas: 3,
    journalBytesMax: 10_000_000,
    archiveBytesMax: 1_000_000,
    ...more,
  });
  const faults = (findings: readonly LayoutFinding[]) =>
    findings.filter(({ severity }) => severity === "fault").map(({ what }) => what);

  test("a journal is made once however often, and its pointer is changed by whoever saw the last one", async (t) => {
    const cluster = await started(t, 3);
    const link = await connect(t, cluster);
    const settings = settingsOf();
    const [one, two] = [newId(), newId()];
    assert.equal(await readPointer(link, settings.groupId), null);
    assert.deepEqual((await checkLayout(link, null, settings, one)).length, 3);
    for (const again of [1, 2]) assert.deepEqual(await makeLayout(link, null, settings, one), [], `time ${again}`);
    assert.equal(await readPointer(link, settings.groupId), null);
    const first = storedAt(await movePointer(link, settings.groupId, 0, one));
    assert.deepEqual(await movePointer(link, settings.groupId, 0, two), { outcome: "overtaken" });
    assert.deepEqual(await readPointer(link, settings.groupId), { journalId: one, revision: first });
    storedAt(await movePointer(link, settings.groupId, first, two));
    assert.equal((await readPointer(link, settings.groupId))?.journalId, two);
  });

  test("what somebody edited is named, one finding each with its remedy, and stays as it is", async (t) => {
    const cluster = await started(t, 3);
    const link = await connect(t, cluster);
    const { settings, journalId, streamName, archiveName, jet } = await newJournal(link);
    const original = (await streamInfo(jet, streamName)).config;
    const check = () => checkLayout(link, null, settings, journalId);
    /** Some servers never answer where the leader changes with the number of copies, but do as they are told. */
    async function update(config: Readonly<Record<string, unknown>>): Promise<void> {
      await jet.ask(`STREAM.UPDATE.${streamName}`, config).catch(() => {});
      const isDone = (found: Readonly<Record<string, unknown>>) =>
        // The servers add to it what they are.
        Object.keys(config).every((field) => field === "metadata" || isDeepStrictEqual(config[field], found[field]));
      while (!isDone((await settled(() => streamInfo(jet, streamName))).config));
    }
    const edits: [Record<string, unknown>, RegExp, string][] = [
      [{ discard: "old" }, /discard "old", and not "new"/, "--discard=new"],
      [{ max_age: 3_600_000_000_000 }, /max_age/, "--max-age=0"],
      [{ max_bytes: -1 }, /max_bytes -1/, "--max-bytes=67108864"],
      [{ max_msgs: 10 }, /max_msgs 10/, "--max-msgs=-1"],
      [{ max_msg_size: 1_000 }, /max_msg_size 1000/, "--max-msg-size=1048576"],
      [{ allow_direct: true }, /allow_direct true/, "--no-allow-direct"],
      [{ num_replicas: 1 }, /num_replicas 1, and not 3/, "--replicas=3"],
      [{ republish: { src: "holdfast.>", dest: "elsewhere.>" } }, /has republish/, "take it out"],
    ];
    for (const [edit, what, remedy] of edits) {
      const edited = { ...original, ...edit };
      await update(edited);
      for (const look of [check, () => makeLayout(link, null, settings, journalId)]) {
        const [finding, ...more] = await settled(look);
        assert.deepEqual(more, [], JSON.stringify(edit));
        assert.match(finding?.what ?? "", what);
        assert.ok(finding?.remedy.includes(remedy), finding?.remedy);
        assert.equal(finding?.severity, "fault");
        assert.notEqual(finding?.why, "");
      }
      const { config } = await settled(() => streamInfo(jet, streamName));
      for (const [field, value] of Object.entries(edit)) assert.deepEqual(config[field], value);
      await update(original);
    }
    await update({ ...original, max_bytes: 1_000_000 });
    assert.deepEqual(
      (await settled(check)).map(({ severity }) => severity),
      ["warning"],
    );
    await update(original);
    assert.deepEqual(await settled(check), []);
    await jet.ask(`STREAM.DELETE.${archiveName}`, null);
    assert.deepEqual(faults(await settled(check)), [`the stream ${archiveName} is not there`]);
  });

  test("a server that does not write through is named, and nothing is made on it", async (t) => {
    const cluster = await started(t, 3, { syncOf: (node) => (node === 2 ? "2m" : "always") });
    const link = await connect(t, cluster);
    const settings = settingsOf();
    const findings = await makeLayout(link, null, settings, newId());
    assert.deepEqual(faults(findings), ["the NATS server n2 does not write through to the disk"]);
    assert.match(findings[0]?.remedy ?? "", /sync_interval: always/);
    assert.equal(Number((await jetStream(link).ask("INFO", null)).fields.streams), 0);
  });

  test("an account that is not told how servers write is refused, and a login of the system account helps", async (t) => {
    const cluster = await started(t, 1);
    const link = await connect(t, cluster, blind(t));
    const settings = settingsOf({ replicas: 1 });
    const journalId = newId();
    assert.deepEqual(faults(await makeLayout(link, null, settings, journalId)), [
      "the NATS servers do not say whether they write through to the disk",
    ]);
    const system = await connectSystem(t, cluster);
    assert.deepEqual(await makeLayout(link, system, settings, journalId), []);
  });

  test("three copies do not fit one server, and the reason is the cluster's own", async (t) => {
    const cluster = await started(t, 1);
    const link = await connect(t, cluster);
    const [finding, ...more] = await makeLayout(link, null, settingsOf(), newId());
    assert.deepEqual(more, []);
    assert.match(finding?.what ?? "", /cannot be made/);
    assert.match(finding?.why ?? "", /replicas/);
  });

  test("servers that take only small messages are refused", async (t) => {
    const cluster = await started(t, 1, { more: "max_payload: 65536" });
    const link = await connect(t, cluster);
    const settings = settingsOf({ replicas: 1 });
    assert.match(faults(await makeLayout(link, null, settings, newId()))[0] ?? "", /messages of 65536 bytes/);
  });

  test("a server that is away is a warning: the journal goes on without it", async (t) => {
    const cluster = await started(t, 3);
    const { settings, journalId, leader } = await newJournal(await connect(t, cluster));
    const away = cluster.nodes.find((node) => node !== 1) as number;
    assert.ok((await leader()) > 0);
    await cluster.kill(away);
    const link = await connect(t, cluster, { servers: [cluster.address(1)] });
    const findings = await settled(() => checkLayout(link, null, settings, journalId));
    assert.deepEqual(faults(findings), []);
    assert.match(findings[0]?.what ?? "", new RegExp(`not every NATS server answered: ${cluster.nameOf(away)}`));
  });
});

/** Asks again while a stream has no leader. */
async function settled<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      assert.equal((error as { kind?: string }).kind, "away");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
