/**
 * Sees to it that the queue's topics are there and fit to keep its promises: at the start all that are known by name or
 * were made by the template, later each that the template names for the first time.
 */
import { Fault } from "../../../../shared/errors.ts";
import {
  type ClusterAdmin,
  type FoundTopic,
  type NewTopic,
  type Operation,
  readerGroup,
  type Topic,
} from "../client/admin.ts";
import type { TopicInfo } from "../cluster.ts";
import type { KafkaSettings } from "../settings.ts";
import { createCommand, rightsCommand } from "./topic-commands.ts";
import { topicNames } from "./topic-names.ts";
import { type Finding, findingsOf, newTopic, recordBytesMaxOf, type TopicRole } from "./topic-rules.ts";

/** What the cluster's topics leave to the records. */
export interface Room {
  /** Key, value and headers of a record together: RecordOptions. */
  readonly recordBytesMax: number;
  /** What librdkafka may send at once to a partition: its `batch.size`. A topic refuses a larger batch as a whole. */
  readonly batchBytesMax: number;
}

export interface Inspection extends Room {
  readonly findings: readonly Finding[];
  /** Topics that are not there, and that a start would make. */
  readonly missing: readonly NewTopic[];
}

/** librdkafka's `message.max.bytes`, and with it the largest batch, unless a site sets more. */
const clientBytes = 1_000_000;

const topicRefused = 29;
const clusterRefused = 31;
const badReplication = 38;

/** A topic and what it is for. A template stands for those of its topics that are there. */
function rolesOf(settings: KafkaSettings, names: readonly string[]): ReadonlyMap<string, TopicRole> {
  const { topic, lossTopic, deadLetterTopic, positionsTopic } = settings;
  const template = topicNames(topic, []);
  const readings = topic.includes("{") ? names.filter((name) => template.isOwn(name)) : [topic];
  return new Map<string, TopicRole>([
    [positionsTopic, "positions"],
    ...readings.map((name) => [name, "readings"] as const),
    ...(lossTopic === null ? [] : [[lossTopic, "losses"] as const]),
    [deadLetterTopic, "dead-letters"],
  ]);
}

/** Looks at everything, and changes nothing. @throws ClusterError where the cluster does not answer, or lets nobody in */
export async function inspectTopics(admin: ClusterAdmin, settings: KafkaSettings): Promise<Inspection> {
  const { brokers } = await admin.cluster();
  const roles = [...rolesOf(settings, await admin.names())];
  const topics = await admin.describe(roles.map(([name]) => name));
  const findings: Finding[] = [];
  const missing: NewTopic[] = [];
  let room: Room = roomIn(undefined, "readings", settings);
  const transactionalId = `${settings.namespace}-0`;
  if (!(await admin.maySee({ transactionalId }))) findings.push(withoutTransactions(settings, "Describe"));
  else if (!(await admin.mayWrite(transactionalId))) findings.push(withoutTransactions(settings, "Write"));
  if (!(await admin.maySee({ group: readerGroup }))) findings.push(withoutGroup(settings));
  for (const [index, [name, role]] of roles.entries()) {
    const topic = topics[index] as Topic;
    if (topic.state === "found") {
      findings.push(...findingsOf(name, role, topic, settings, brokers));
      room = smaller(room, roomIn(topic, role, settings));
      continue;
    }
    const wish = newTopic(name, role, settings);
    if (topic.state === "hidden") findings.push(hidden(name, settings));
    else if (!settings.createTopics) findings.push(absent(wish, settings));
    else {
      const trial = await admin.create(wish, true);
      if (trial.result === "refused") findings.push(uncreatable(wish, trial, settings, brokers.length));
      else missing.push(wish);
    }
  }
  return { findings, missing, ...room };
}

/**
 * Makes what is missing, and checks what is there.
 * @throws Fault `config` where a topic breaks the promise, naming each and what mends it
 * @throws ClusterError as inspectTopics
 */
export async function prepareTopics(
  admin: ClusterAdmin,
  settings: KafkaSettings,
): Promise<Room & { readonly warnings: readonly Finding[] }> {
  const { findings, missing, ...room } = await inspectTopics(admin, settings);
  // Nothing is made beside something that must be mended first: the mistake may be in the names.
  refuse(findings);
  for (const wish of missing) await make(admin, wish, settings);
  return { ...room, warnings: findings };
}

/**
 * Makes a topic that a template names for the first time; one that is there already must be fit.
 * @throws Fault `config`, retryable, since an administrator can mend it while the gateway runs
 */
export async function makeTopic(admin: ClusterAdmin, settings: KafkaSettings, name: string): Promise<TopicInfo> {
  const role = rolesOf(settings, [name]).get(name) ?? "readings";
  const wish = newTopic(name, role, settings);
  const [topic = { state: "absent" }] = await admin.describe([name]);
  if (topic.state === "found") {
    refuse(findingsOf(name, role, topic, settings, (await admin.cluster()).brokers), true);
    return infoOf(topic);
  }
  if (topic.state === "hidden") refuse([hidden(name, settings)], true);
  if (!settings.createTopics) refuse([absent(wish, settings)], true);
  return infoOf(await make(admin, wish, settings));
}

async function make(admin: ClusterAdmin, wish: NewTopic, settings: KafkaSettings): Promise<FoundTopic> {
  const creation = await admin.create(wish, false);
  if (creation.result === "refused") {
    refuse([uncreatable(wish, creation, settings, (await admin.cluster()).brokers.length)]);
  }
  return await admin.whenThere(wish.name);
}

function infoOf({ id, replicas }: FoundTopic): TopicInfo {
  return { id, partitions: replicas.length };
}

function refuse(findings: readonly Finding[], retryable = false): void {
  const faults = faultsIn(findings);
  if (faults !== undefined) throw new Fault("config", { ...faults, retryable });
}

/** What breaks the promise, as one Fault would say it; undefined where nothing does. */
export function faultsIn(findings: readonly Finding[]): { what: string; why: string; remedy: string } | undefined {
  const faults = findings.filter(({ severity }) => severity === "fault");
  const [first] = faults;
  if (first === undefined) return undefined;
  if (faults.length === 1) return { what: first.what, why: first.why, remedy: first.remedy };
  return {
    what: `${faults.length} things about the topics break what the queue promises`,
    why: faults.map(({ what, why }) => `${what} (${why})`).join("; "),
    remedy: faults.map(({ remedy }) => remedy).join("; "),
  };
}

/** What a topic leaves to the records; without one, what topics are made with. */
function roomIn(topic: FoundTopic | undefined, role: TopicRole, settings: KafkaSettings): Room {
  const own = Number(topic?.configs?.get("max.message.bytes") ?? clientBytes);
  const largest = Math.min(own, Number(settings.properties["message.max.bytes"] ?? clientBytes));
  const batchBytesMax = Math.min(largest, Number(settings.properties["batch.size"] ?? clientBytes));
  // Dead letters and positions have room enough by rule; only records of data can give way.
  return { recordBytesMax: recordBytesMaxOf(role === "readings" ? largest : clientBytes), batchBytesMax };
}

export function smaller(one: Room, other: Room): Room {
  return {
    recordBytesMax: Math.min(one.recordBytesMax, other.recordBytesMax),
    batchBytesMax: Math.min(one.batchBytesMax, other.batchBytesMax),
  };
}

function faultOf(topic: string, what: string, why: string, remedy: string): Finding {
  return { severity: "fault", topic, what, why, remedy };
}

function absent(wish: NewTopic, settings: KafkaSettings): Finding {
  const why = "queue.kafka.createTopics is false";
  return faultOf(wish.name, `the topic ${wish.name} is not there`, why, createCommand(settings, wish));
}

function hidden(topic: string, settings: KafkaSettings): Finding {
  const creating: Operation[] = settings.createTopics ? ["Create"] : [];
  const remedy = rightsCommand(settings, { topic }, [...creating, "Describe", "DescribeConfigs", "Read", "Write"]);
  const why = "the cluster does not even say whether it is there";
  return faultOf(topic, `the topic ${topic} does not give this gateway the right to Describe`, why, remedy);
}

function withoutTransactions(settings: KafkaSettings, right: Operation): Finding {
  const transactionalIdPrefix = `${settings.namespace}-`;
  const remedy = rightsCommand(settings, { transactionalIdPrefix }, ["Describe", "Write"]);
  const what = `the transactional ids ${transactionalIdPrefix}* do not give this gateway the right to ${right}`;
  return faultOf("", what, "all that it writes is written in transactions", remedy);
}

function withoutGroup(settings: KafkaSettings): Finding {
  const remedy = rightsCommand(settings, { group: readerGroup }, ["Describe"]);
  const what = `the group ${readerGroup} does not give this gateway the right to Describe`;
  return faultOf("", what, "the client that reads asks for its coordinator, though it commits nothing there", remedy);
}

function uncreatable(
  wish: NewTopic,
  { code, message }: { readonly code: number; readonly message: string },
  settings: KafkaSettings,
  brokers: number,
): Finding {
  const what = `the topic ${wish.name} cannot be created`;
  if (code === topicRefused || code === clusterRefused) {
    const remedy = `${rightsCommand(settings, { topic: wish.name }, ["Create"])}; or create it: ${createCommand(settings, wish)}`;
    return faultOf(wish.name, what, "this gateway has not the right to Create it", remedy);
  }
  if (code === badReplication) {
    const why = `queue.kafka.replication is ${wish.replication}, and the cluster has ${brokers === 1 ? "one broker" : `${brokers} brokers`}`;
    const remedy = `add brokers; or set queue.kafka.replication to ${brokers}, and know that fewer copies are lost sooner`;
    return faultOf(wish.name, what, why, remedy);
  }
  return faultOf(wish.name, what, message, `mend that, or create it: ${createCommand(settings, wish)}`);
}
