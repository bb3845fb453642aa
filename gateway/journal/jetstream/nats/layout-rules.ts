/** What a journal's streams on JetStream must be like: what new ones are made with, and what is wrong with those there. Pure. */
import { bucketStream, groupBucket, journalName, subjectBase } from "./names.ts";

/** A message with its headers: what servers take by default. */
export const payloadBytes = 1024 * 1024;
/** The group's bucket holds a pointer, leases and members. */
const groupBytesMax = 64 * 1024 * 1024;

export interface LayoutSettings {
  readonly groupId: string;
  /** Copies of each message, on as many servers. */
  readonly replicas: 1 | 3 | 5;
  /** What all messages of a journal may take on each server's disk; and all records of its archive. */
  readonly journalBytesMax: number;
  readonly archiveBytesMax: number;
}

/** Something that is not as it should be. A fault breaks the promise; a warning says what is not promised. */
export interface LayoutFinding {
  readonly severity: "fault" | "warning";
  readonly what: string;
  readonly why: string;
  /** What mends it. */
  readonly remedy: string;
}

/** A stream's configuration by JetStream's own names. */
export type StreamConfig = Readonly<Record<string, unknown>> & { readonly name: string };

/** The streams that a journal stands on, as this gateway makes them. */
export function wantedStreams(settings: LayoutSettings, journalId: string): readonly StreamConfig[] {
  const { groupId, journalBytesMax, archiveBytesMax } = settings;
  const name = journalName(groupId, journalId);
  const journal = {
    ...common(settings),
    name,
    subjects: [`${subjectBase(groupId, journalId)}>`],
    max_bytes: journalBytesMax,
    max_msgs_per_subject: -1,
    allow_rollup_hdrs: false,
  };
  return [journal, bucket(settings, name, archiveBytesMax)];
}

/** The bucket that outlives a group's journals. */
export function wantedGroupBucket(settings: LayoutSettings): StreamConfig {
  return bucket(settings, groupBucket(settings.groupId), groupBytesMax);
}

function bucket(settings: LayoutSettings, name: string, bytesMax: number): StreamConfig {
  return {
    ...common(settings),
    name: bucketStream(name),
    subjects: [`$KV.${name}.>`],
    max_bytes: bytesMax,
    max_msgs_per_subject: 1,
    // A bucket by the rules of NATS' own tools, with which people look into it.
    allow_rollup_hdrs: true,
  };
}

function common({ replicas }: LayoutSettings) {
  return {
    retention: "limits",
    storage: "file",
    discard: "new",
    num_replicas: replicas,
    max_msgs: -1,
    max_age: 0,
    max_msg_size: payloadBytes,
    max_consumers: -1,
    deny_delete: true,
    deny_purge: false,
    allow_direct: false,
    sealed: false,
    no_ack: false,
  };
}

interface Rule {
  readonly why: string;
  /** The option of `nats stream edit`; null where a stream cannot be changed in this. */
  readonly option: ((wanted: unknown) => string) | null;
  /** What is as good as the wanted value. */
  readonly isFine?: (found: unknown, wanted: unknown) => boolean;
  readonly severity?: "warning";
}

const atLeast = (found: unknown, wanted: unknown) => Number(found) >= Number(wanted);
const unlimitedOr = (found: unknown, wanted: unknown) => found === -1 || atLeast(found, wanted);
const flag = (name: string) => (wanted: unknown) => `--${wanted === true ? "" : "no-"}${name}`;
const valued = (name: string) => (wanted: unknown) => `--${name}=${String(wanted)}`;

/** By the fields that matter. Fields that a server leaves out are false, 0 or empty. */
const rules: Readonly<Record<string, Rule>> = {
  subjects: {
    why: "other subjects than the journal's own are lost, or belong to somebody else",
    option: (wanted) => `--subjects='${(wanted as string[]).join(",")}'`,
  },
  retention: { why: "messages would disappear once somebody has read them", option: null },
  storage: { why: "what is only in memory is gone with the power", option: null },
  discard: { why: "a full journal would drop its oldest readings in silence (I6)", option: valued("discard") },
  num_replicas: {
    why: "fewer copies are lost sooner",
    option: valued("replicas"),
    isFine: atLeast,
  },
  max_bytes: {
    why: "the journal says that it is full by another limit than the configuration's",
    option: valued("max-bytes"),
    severity: "warning",
  },
  max_msgs: { why: "the number of messages says nothing about room", option: valued("max-msgs") },
  max_age: { why: "readings would disappear by age, sent on or not (I6)", option: () => "--max-age=0" },
  max_msgs_per_subject: {
    why: "older messages would disappear, or records never",
    option: valued("max-msgs-per-subject"),
  },
  max_msg_size: { why: "a large batch would be refused for ever", option: valued("max-msg-size"), isFine: unlimitedOr },
  max_consumers: {
    why: "the forwarders of some shards could not read",
    option: null,
    isFine: (found) => Number(found) <= 0,
  },
  deny_delete: { why: "single messages could be taken out of the middle", option: flag("deny-delete") },
  deny_purge: { why: "what was sent on could never be removed", option: null },
  allow_direct: { why: "a copy that lags behind would answer in place of the leader", option: flag("allow-direct") },
  sealed: { why: "nothing can be written any more", option: null },
  no_ack: { why: "nobody would know what was stored", option: flag("ack") },
  allow_rollup_hdrs: { why: "one message could remove all others", option: flag("allow-rollup"), severity: "warning" },
};
const byItself = "messages could come, go or change without any gateway";
/** What no journal has, with what it would do. */
const foreign: Readonly<Record<string, string>> = {
  mirror: byItself,
  sources: byItself,
  republish: byItself,
  subject_transform: byItself,
  allow_msg_ttl: byItself,
  allow_msg_counter: byItself,
  allow_msg_schedules: byItself,
  mirror_direct: "a copy that lags behind would answer in place of the leader",
  discard_new_per_subject: "a record could not be replaced by a newer one",
  persist_mode: "a message would be acknowledged before it is on the disk",
  consumer_limits: "the forwarders' reading could be refused",
};
/** How servers write that a stream has no such thing. */
const nothing = new Set(["undefined", "null", "false", "[]", "{}", '""', '"default"']);

/** What is wrong with a stream. */
export function streamFindings(wanted: StreamConfig, found: Readonly<Record<string, unknown>>): LayoutFinding[] {
  const findings: LayoutFinding[] = [];
  for (const [field, rule] of Object.entries(rules)) {
    const { [field]: expected } = wanted;
    const actual = found[field] ?? absentAs(expected);
    if (isSame(actual, expected) || rule.isFine?.(actual, expected) === true) continue;
    findings.push({
      // No limit at all is not just another one: the disk would be the limit.
      severity: field === "max_bytes" && Number(actual) <= 0 ? "fault" : (rule.severity ?? "fault"),
      what: `the stream ${wanted.name} has ${field} ${JSON.stringify(actual)}, and not ${JSON.stringify(expected)}`,
      why: rule.why,
      remedy:
        rule.option === null
          ? "this cannot be changed: make a new journal with `holdfast-gateway journal init --new`"
          : `nats stream edit ${wanted.name} ${rule.option(expected)}`,
    });
  }
  for (const [field, why] of Object.entries(foreign)) {
    if (nothing.has(String(JSON.stringify(found[field])))) continue;
    findings.push({
      severity: "fault",
      what: `the stream ${wanted.name} has ${field}, which no journal has`,
      why,
      remedy: `take it out with nats stream edit ${wanted.name}, or make a new journal`,
    });
  }
  return findings;
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function absentAs(expected: unknown): unknown {
  if (typeof expected === "boolean") return false;
  return typeof expected === "number" ? 0 : undefined;
}

export function absentStream({ name }: StreamConfig): LayoutFinding {
  return {
    severity: "fault",
    what: `the stream ${name} is not there`,
    why: "the journal was never made, or was deleted; a gateway makes none by itself, since readings may be gone with it",
    remedy: "`holdfast-gateway journal init` makes a journal; a deleted one needs a new journal id",
  };
}

/** @param reason in JetStream's words */
export function uncreatableStream({ name, num_replicas }: StreamConfig, reason: string): LayoutFinding {
  return {
    severity: "fault",
    what: `the stream ${name} cannot be made`,
    why: reason,
    remedy: `give the cluster ${String(num_replicas)} servers with JetStream and room, and the account the right to make streams`,
  };
}

export function smallPayload(found: number): LayoutFinding {
  return {
    severity: "fault",
    what: `the NATS servers take messages of ${found} bytes at the most, and not of ${payloadBytes}`,
    why: "a large batch would be refused for ever",
    remedy: `set "max_payload: ${payloadBytes}" in their configuration, or leave it out`,
  };
}
