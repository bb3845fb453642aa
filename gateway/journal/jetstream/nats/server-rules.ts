/** What NATS servers must be like, and what they say about themselves. Pure. */
import type { LayoutFinding } from "./layout-rules.ts";

/** Older ones let two publishers win that expected the same sequence (measured: 2.9.10 in 215 of 300 races). */
export const oldestServer = "2.14";

/** True for a server's version that is fit. */
export function isSupported(version: string): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version) ?? [];
  if (major === undefined || minor === undefined) return false;
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 14);
}

/** What one server says of itself in answer to `$SYS.REQ.SERVER.PING.JSZ`. */
export interface ServerReport {
  readonly name: string;
  readonly version: string;
  readonly hasJetStream: boolean;
  /** True where each write is on the disk before it counts. */
  readonly syncsAlways: boolean;
  /** How many servers decide on streams, as this one knows; 0 where it stands alone. */
  readonly clusterSize: number;
}

/** An answer as a report; undefined for one that is none. */
export function reportOf(answer: unknown): ServerReport | undefined {
  const { server, data } = (answer ?? {}) as { server?: Partial<Record<string, unknown>>; data?: JszData };
  if (typeof server?.name !== "string" || typeof server.ver !== "string") return undefined;
  return {
    name: server.name,
    version: server.ver,
    hasJetStream: server.jetstream === true && data?.disabled !== true,
    syncsAlways: data?.config?.sync_always === true,
    clusterSize: Number(data?.meta_cluster?.cluster_size ?? 0),
  };
}

interface JszData {
  readonly disabled?: boolean;
  readonly config?: { readonly sync_always?: boolean };
  readonly meta_cluster?: { readonly cluster_size?: number };
}

/** True once as many answered as decide on streams. */
export function isComplete(reports: readonly ServerReport[]): boolean {
  const expected = Math.max(1, ...reports.map(({ clusterSize }) => clusterSize));
  return reports.filter(({ hasJetStream }) => hasJetStream).length >= expected;
}

/**
 * What is wrong with the servers.
 * @param reports of those that answered; null where none may be asked
 * @param holders names of the servers that hold copies of the journal
 */
export function serverFindings(reports: readonly ServerReport[] | null, holders: readonly string[]): LayoutFinding[] {
  if (reports === null) {
    return [
      {
        severity: "fault",
        what: "the NATS servers do not say whether they write through to the disk",
        why: "only the system account is told, and neither it nor an import from it is open to this gateway",
        remedy:
          "give the gateway's account an import of the service $SYS.REQ.SERVER.PING.JSZ of the system account " +
          "(exported there with response_type: stream), or this gateway a login of the system account",
      },
    ];
  }
  const findings = reports.filter(({ hasJetStream }) => hasJetStream).flatMap(wrongWith);
  const expected = Math.max(0, ...reports.map(({ clusterSize }) => clusterSize));
  const silent = holders.filter((name) => !reports.some((report) => report.name === name));
  const answered = reports.filter(({ hasJetStream }) => hasJetStream).length;
  if (silent.length > 0 || answered < expected) {
    const who = silent.length > 0 ? silent.join(", ") : `${expected - answered} of ${expected}`;
    findings.push({
      severity: "warning",
      what: `not every NATS server answered: ${who}`,
      why: "how these are set up is not known, and as long as they are away there are fewer copies",
      remedy: "start them and check again",
    });
  }
  return findings;
}

function wrongWith({ name, version, syncsAlways }: ServerReport): LayoutFinding[] {
  const findings: LayoutFinding[] = [];
  if (!isSupported(version)) {
    findings.push({
      severity: "fault",
      what: `the NATS server ${name} is ${version}`,
      why: `before ${oldestServer} two gateways could both be told that the same message is theirs`,
      remedy: `upgrade it to ${oldestServer} or newer`,
    });
  }
  if (!syncsAlways) {
    findings.push({
      severity: "fault",
      what: `the NATS server ${name} does not write through to the disk`,
      why: "it acknowledges what only its memory holds: when all servers lose power, acknowledged readings are gone",
      remedy: `set "sync_interval: always" in the jetstream section of its configuration, and restart it`,
    });
  }
  return findings;
}
