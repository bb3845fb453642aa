/** What the tests on real NATS servers share: logins in files, connections, and journals of their own. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsCluster } from "../../demo/nats/cluster.ts";
import { gatewayUser, systemUser } from "../../demo/nats/server.ts";
import { type JetStream, jetStream } from "../../gateway/journal/jetstream/nats/api.ts";
import { journalArchive } from "../../gateway/journal/jetstream/nats/archive.ts";
import { journalStream } from "../../gateway/journal/jetstream/nats/journal-stream.ts";
import { makeLayout } from "../../gateway/journal/jetstream/nats/layout.ts";
import type { LayoutSettings } from "../../gateway/journal/jetstream/nats/layout-rules.ts";
import { streamInfo } from "../../gateway/journal/jetstream/nats/leader.ts";
import { connectNats, type NatsLink } from "../../gateway/journal/jetstream/nats/link.ts";
import { bucketStream, journalName, subjectBase } from "../../gateway/journal/jetstream/nats/names.ts";
import type { NatsLogin, NatsSettings } from "../../gateway/journal/jetstream/nats/settings.ts";
import type { JournalArchive, JournalStream } from "../../gateway/journal/jetstream/stream.ts";
import { realEnv } from "../../shared/env.ts";

export const env = realEnv();

export function newId(): string {
  return randomBytes(16).toString("hex");
}

/** Anything with an end: a test, or a whole suite. */
export interface Scope {
  after(action: () => unknown): void;
}

export function secretFile(scope: Scope, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-nats-secret-"));
  scope.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "secret");
  writeFileSync(file, text);
  return file;
}

export function loginFor(scope: Scope, { user, password }: typeof gatewayUser): NatsLogin {
  return { user, passwordFile: secretFile(scope, password) };
}

/** A connection that is closed after the test. Impatient, so that what never comes is noticed soon. */
export async function connect(scope: Scope, cluster: NatsCluster, more: Partial<NatsSettings> = {}): Promise<NatsLink> {
  const login = more.login === undefined ? loginFor(scope, gatewayUser) : more.login;
  const settings = { servers: cluster.addresses, name: "test", tls: null, answerMs: 2_000, ...more, login };
  const link = await connectNats(settings, env);
  scope.after(() => link.close());
  return link;
}

export async function connectSystem(scope: Scope, cluster: NatsCluster): Promise<NatsLink> {
  return await connect(scope, cluster, { login: loginFor(scope, systemUser) });
}

export interface RealJournal {
  readonly settings: LayoutSettings;
  readonly journalId: string;
  /** Names of the two streams. */
  readonly streamName: string;
  readonly archiveName: string;
  readonly jet: JetStream;
  readonly stream: JournalStream;
  readonly archive: JournalArchive;
  /** The same journal over another connection. */
  over(link: NatsLink): { stream: JournalStream; archive: JournalArchive };
  /** The node that leads the stream now. */
  leader(): Promise<number>;
  remove(): Promise<void>;
}

export async function newJournal(link: NatsLink, more: Partial<LayoutSettings> = {}): Promise<RealJournal> {
  const settings: LayoutSettings = {
    groupId: newId(),
    replicas: 3,
    journalBytesMax: 64 * 1024 * 1024,
    archiveBytesMax: 16 * 1024 * 1024,
    ...more,
  };
  const journalId = newId();
  const findings = await makeLayout(link, null, settings, journalId);
  if (findings.length > 0) throw new Error(`the new journal is not as it should be: ${JSON.stringify(findings)}`);
  const streamName = journalName(settings.groupId, journalId);
  const archiveName = bucketStream(streamName);
  const jet = jetStream(link);
  const over = (other: NatsLink) => ({
    stream: journalStream(jetStream(other), streamName, subjectBase(settings.groupId, journalId)),
    archive: journalArchive(jetStream(other), streamName),
  });
  return {
    settings,
    journalId,
    streamName,
    archiveName,
    jet,
    ...over(link),
    over,
    async leader() {
      const name = (await streamInfo(jet, streamName)).cluster?.leader ?? "";
      return Number(name.slice(1));
    },
    async remove() {
      for (const name of [streamName, archiveName]) await jet.ask(`STREAM.DELETE.${name}`, null);
    },
  };
}
