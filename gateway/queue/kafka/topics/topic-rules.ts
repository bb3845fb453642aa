/**
 * What topics must be like, for this queue to keep its promises: what new ones are made with, and what is wrong with
 * those that are there. Pure.
 */
import { blockBytesMax } from "../../../../shared/limits.ts";
import type { FoundTopic, NewTopic } from "../client/admin.ts";
import type { KafkaSettings } from "../settings.ts";
import { replicasCommand, rightsCommand, setCommand } from "./topic-commands.ts";

/** What a topic is for; of a data topic's records the promise holds once consumers had the time to read them. */
export type TopicRole = "readings" | "losses" | "dead-letters" | "positions";

/** Something about a topic that is not as it should be. A fault breaks the promise; a warning says what is not promised. */
export interface Finding {
  readonly severity: "fault" | "warning";
  readonly topic: string;
  readonly what: string;
  readonly why: string;
  /** What mends it: mostly a command of Kafka's own tools. */
  readonly remedy: string;
}

/** Kafka's default, 1 MiB and a frame. */
const messageBytes = 1_048_588;
/** Least `max.message.bytes` by role: a dead letter or a position that does not fit would stop the line for good. */
const messageBytesMin: Readonly<Record<Exclude<TopicRole, "readings">, number>> = {
  "dead-letters": 512 * 1024,
  positions: 512 * 1024,
  losses: 64 * 1024,
};
/** The largest block, or reading, with its name and its frame. */
const recordBytes = blockBytesMax + 32 * 1024;
/** Agents may be away for weeks; what they bring must not be deleted as soon as it has come. */
const backlogMs = 30 * 86_400_000;
const lagMsMin = 600_000;
const forever = "-1";
const noLimit = BigInt(2) ** BigInt(63) - BigInt(1);

/** A topic as this queue makes it. */
export function newTopic(name: string, role: TopicRole, settings: KafkaSettings): NewTopic {
  const { replication, settleMs } = settings;
  const common = {
    // Two copies before a record counts, where one broker may be away.
    "min.insync.replicas": String(replication >= 3 ? 2 : 1),
    "unclean.leader.election.enable": "false",
    "max.message.bytes": String(messageBytes),
  };
  if (role === "positions") {
    const configs = {
      ...common,
      "cleanup.policy": "compact",
      "min.compaction.lag.ms": String(lagOf(settleMs)),
      // A start reads what is not yet compacted, and the newest segment never is.
      "segment.bytes": String(16 * 1024 * 1024),
    };
    return { name, partitions: settings.shards, replication, configs };
  }
  const isDated = role === "readings" && settings.timestamp === "reading";
  // Otherwise the cluster's own rule holds.
  const keptMs = role === "dead-letters" ? forever : isDated ? String(backlogMs) : undefined;
  const configs = {
    ...common,
    "cleanup.policy": "delete",
    "message.timestamp.type": "CreateTime",
    ...(keptMs === undefined ? {} : { "retention.ms": keptMs }),
  };
  return { name, partitions: settings.partitions, replication, configs };
}

function lagOf(settleMs: number): number {
  return Math.max(lagMsMin, 2 * settleMs);
}

/**
 * Everything that is wrong with a topic that is there.
 * @param brokers the ids of the cluster's brokers
 */
export function findingsOf(
  name: string,
  role: TopicRole,
  found: FoundTopic,
  settings: KafkaSettings,
  brokers: readonly number[],
): Finding[] {
  const { configs, replicas, missingRights } = found;
  const findings: Finding[] = [];
  const add = (severity: Finding["severity"], what: string, why: string, remedy: string): void => {
    findings.push({ severity, topic: name, what: `the topic ${name} ${what}`, why, remedy });
  };
  const set = (config: string, value: string | number): string => setCommand(settings, name, config, String(value));

  if (missingRights.length > 0) {
    const needed = missingRights.some((right) => right !== "DescribeConfigs");
    const why = needed ? "the gateway writes it, and reads it at a start" : "its settings cannot be checked";
    const rights = missingRights.join(" and ");
    const remedy = rightsCommand(settings, { topic: name }, missingRights);
    add(needed ? "fault" : "warning", `does not give this gateway the right to ${rights}`, why, remedy);
  }
  if (role === "positions" && replicas.length !== settings.shards) {
    const why = `queue.kafka.shards is ${settings.shards}, and each shard has a partition of its own`;
    const remedy = `set queue.kafka.shards to ${replicas.length}: the number is fixed when the queue is made`;
    add("fault", `has ${replicas.length} partitions`, why, remedy);
  }
  const copies = Math.min(...replicas.map((one) => one.length));
  if (copies < Math.max(3, settings.replication)) {
    const wanted = Math.max(3, settings.replication);
    const why = `${copies === 1 ? "what one broker's disk loses" : "what two brokers' disks lose"} is lost`;
    const remedy =
      brokers.length >= wanted
        ? replicasCommand(settings, name, replicas, brokers, wanted)
        : `add brokers: ${brokers.length} cannot hold ${wanted} copies`;
    add("warning", `has ${copies === 1 ? "one copy" : `${copies} copies`} of each record`, why, remedy);
  }
  if (configs === null) return findings;

  const text = (config: string): string => configs.get(config) ?? "";
  const number = (config: string, otherwise: number): number =>
    configs.has(config) ? Number(text(config)) : otherwise;
  const inSync = number("min.insync.replicas", 1);
  if (inSync > copies) {
    const why = `it has ${copies} copies, so no record could ever be acknowledged`;
    add("fault", `has min.insync.replicas=${inSync}`, why, set("min.insync.replicas", copies >= 3 ? 2 : 1));
  } else if (inSync < 2 && copies >= 3) {
    const why = "a record counts as written that one broker alone has; with that broker's disk it is lost";
    add("warning", `has min.insync.replicas=${inSync}`, why, set("min.insync.replicas", 2));
  }
  if (text("unclean.leader.election.enable") === "true") {
    const why = "a broker that lags behind may become the leader, and what it has not is lost";
    add("warning", "has unclean.leader.election.enable=true", why, set("unclean.leader.election.enable", "false"));
  }
  const policy = text("cleanup.policy");
  if (role === "positions") {
    if (policy !== "compact") {
      const why = "positions would be deleted, and what they name would be written again";
      add("fault", `has cleanup.policy=${policy}`, why, set("cleanup.policy", "compact"));
    }
    if (number("min.compaction.lag.ms", 0) < 2 * settings.settleMs) {
      const why =
        "a position may be compacted away while its successor is on no disk: after a power cut both are gone, and " +
        "readings come twice";
      const remedy = set("min.compaction.lag.ms", lagOf(settings.settleMs));
      add("warning", `has min.compaction.lag.ms=${number("min.compaction.lag.ms", 0)}`, why, remedy);
    }
  } else if (policy.includes("compact")) {
    const why = "of all records with one key only the latest would stay, and a key is a whole series";
    add("fault", `has cleanup.policy=${policy}`, why, set("cleanup.policy", "delete"));
  }
  const bytes = number("max.message.bytes", messageBytes);
  if (role === "readings" && bytes < recordBytes) {
    const why = `larger records become dead letters; the largest takes ${recordBytes}`;
    add("warning", `has max.message.bytes=${bytes}`, why, set("max.message.bytes", messageBytes));
  } else if (role !== "readings" && bytes < messageBytesMin[role]) {
    const why = `at least ${messageBytesMin[role]} are needed: a record that does not fit would stop the line`;
    add("fault", `has max.message.bytes=${bytes}`, why, set("max.message.bytes", messageBytes));
  }
  if (role !== "positions") findings.push(...timeFindings(name, role, configs, settings));
  return findings;
}

/** What the times of records, and what Kafka deletes by them, leave of the promise. */
function timeFindings(
  topic: string,
  role: TopicRole,
  configs: ReadonlyMap<string, string>,
  settings: KafkaSettings,
): Finding[] {
  const findings: Finding[] = [];
  const add = (severity: Finding["severity"], config: string, why: string, value: string | number): void => {
    const what = `the topic ${topic} has ${config}=${configs.get(config)}`;
    findings.push({ severity, topic, what, why, remedy: setCommand(settings, topic, config, String(value)) });
  };
  const isDated = role === "readings" && settings.timestamp === "reading";
  const retentionMs = Number(configs.get("retention.ms") ?? forever);
  if (retentionMs >= 0 && retentionMs < 2 * settings.settleMs) {
    const why = "records would be deleted before it is known that the cluster keeps them";
    add("fault", "retention.ms", why, backlogMs);
  } else if (retentionMs >= 0 && role === "dead-letters") {
    add("warning", "retention.ms", "what nobody has replayed by then is deleted", forever);
  } else if (isDated && retentionMs >= 0 && retentionMs < backlogMs) {
    const why =
      "Kafka deletes by the time of the reading: a backlog that is older goes soon after it has come. Or set " +
      "queue.kafka.timestamp to arrival";
    add("warning", "retention.ms", why, backlogMs);
  }
  if (!isDated) return findings;
  if (configs.get("message.timestamp.type") === "LogAppendTime") {
    const why = "queue.kafka.timestamp is reading, and the broker writes the time of arrival over it";
    add("warning", "message.timestamp.type", why, "CreateTime");
  }
  for (const config of ["message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"]) {
    const value = configs.get(config);
    if (value === undefined || BigInt(value) === noLimit) continue;
    add("warning", config, "the broker refuses older readings, and their shard waits", `${noLimit}`);
  }
  if (Number(configs.get("message.timestamp.after.max.ms") ?? 3_600_000) < 600_000) {
    add("warning", "message.timestamp.after.max.ms", "the broker refuses readings of clocks that are ahead", 3_600_000);
  }
  return findings;
}

/** The largest record that all topics of readings take: key, value and headers together. */
export function recordBytesMaxOf(messageBytesMax: number): number {
  // The frame of a batch of one record takes less than 100 bytes.
  return messageBytesMax - 512;
}
