/** Checks of the Kafka queue's options against each other; pure. */
import { isLoopback } from "../shared/address.ts";
import { checkKeyPair, fault, warning } from "../shared/options/cross.ts";
import type { CrossFault, ValueOf } from "../shared/options/table.ts";
import type { kafkaSection } from "./options-kafka.ts";
import { keyTemplateFault, type Placeholder, topicTemplateFault } from "./queue/kafka/topics/topic-names.ts";

export type KafkaOptions = ValueOf<typeof kafkaSection>;

const at = "queue.kafka";
/** Linux writes pages out that have been dirty for 30 s, and looks every 5 s. */
const safeSettleMs = 35_000;

/** What depends on each other where the queue is on Kafka. */
export function checkKafkaOptions(options: KafkaOptions): CrossFault[] {
  const { brokers, settle } = options;
  const faults = [...checkTopics(options), ...checkSecurity(options, at), ...checkStandby(options)];
  if (brokers.length === 0) {
    const remedy = "add brokers, one host:port per line";
    faults.push(fault(`${at}.brokers`, `${at}.brokers is missing`, "queue.engine is kafka", remedy));
  }
  if (settle < safeSettleMs) {
    const why =
      "Linux keeps what a broker has written in memory for up to 35 s: what is released sooner may be lost, or come " +
      "twice, when a broker's machine loses power";
    const remedy = "set it to 40s, or to more where vm.dirty_expire_centisecs is larger on the brokers";
    faults.push(warning(`${at}.settle`, `${at}.settle is short`, why, remedy));
  }
  return faults;
}

/** The topic of positions, which is named after the namespace unless the file says otherwise. */
export function positionsTopicOf({ positionsTopic, namespace }: KafkaOptions): string {
  return positionsTopic ?? `${namespace}.positions`;
}

function checkTopics(options: KafkaOptions): CrossFault[] {
  const { topic, key, format, losses, lossTopic, deadLetterTopic } = options;
  const faults: CrossFault[] = [];
  const named: (readonly [name: string, topic: string])[] = [
    ["positionsTopic", positionsTopicOf(options)],
    ["deadLetterTopic", deadLetterTopic],
    ...(losses === "apart" ? [["lossTopic", lossTopic] as const] : []),
  ];
  const add = (name: string, given: string, why: string | undefined): void => {
    if (why === undefined) return;
    faults.push(fault(`${at}.${name}`, `${at}.${name} ${JSON.stringify(given)} cannot be used`, why, remedyFor(why)));
  };
  for (const [index, [name, given]] of named.entries()) {
    const others = named.slice(0, index).map(([, other]) => other);
    add(name, given, topicTemplateFault(given, [], others));
  }
  const inTopics: Placeholder[] = format === "batch" || losses === "beside" ? ["agent", "stream"] : all;
  const reserved = named.map(([, other]) => other);
  const why = topicTemplateFault(topic, inTopics, reserved);
  const isAboutSeries = topic.includes("{series}") && !inTopics.includes("series");
  add("topic", topic, isAboutSeries && why !== undefined ? `${why}: ${withoutSeries(format)}` : why);
  if (key !== undefined) add("key", key, keyTemplateFault(key, format === "batch" ? ["agent", "stream"] : all));
  return faults;
}

const all: Placeholder[] = ["agent", "stream", "series"];

function withoutSeries(format: string): string {
  return format === "batch" ? "a batch holds many series" : "a loss record beside the readings stands for many series";
}

function remedyFor(why: string): string {
  return why.includes("another use") ? "choose another name" : "see the page on Kafka records for what a name can hold";
}

function checkStandby({ brokers, standby }: KafkaOptions): CrossFault[] {
  const { brokers: others, form, inDoubt } = standby;
  if (others.length === 0) return [];
  const faults = checkSecurity(standby, `${at}.standby`);
  const same = others.find((broker) => brokers.includes(broker));
  if (same !== undefined) {
    const why = "a cluster cannot stand by for itself";
    faults.push(
      fault(`${at}.standby.brokers`, `${same} is a broker of both clusters`, why, "name the second cluster's"),
    );
  }
  if (form === "mirror" && inDoubt === "repeat") {
    const why = "with a mirror nothing is ever in doubt: the gateway writes to one cluster alone";
    faults.push(warning(`${at}.standby.inDoubt`, `${at}.standby.inDoubt has no effect`, why, "remove it"));
  }
  return faults;
}

function checkSecurity(
  { brokers, tls, sasl }: Pick<KafkaOptions, "brokers" | "tls" | "sasl">,
  at: string,
): CrossFault[] {
  const faults = checkKeyPair(`${at}.tls`, tls.cert, tls.key);
  const { mechanism, username, passwordFile, oauth } = sasl;
  const needed: Record<string, unknown> =
    mechanism === "OAUTHBEARER"
      ? {
          "oauth.tokenEndpoint": oauth.tokenEndpoint,
          "oauth.clientId": oauth.clientId,
          "oauth.clientSecretFile": oauth.clientSecretFile,
        }
      : mechanism === undefined
        ? {}
        : { username, passwordFile };
  for (const [name, value] of Object.entries(needed)) {
    if (value !== undefined) continue;
    const what = `${at}.sasl.${name} is missing`;
    faults.push(fault(`${at}.sasl.mechanism`, what, `${mechanism} needs it`, `add ${name.split(".").at(-1)}`));
  }
  if (mechanism === undefined && (username !== undefined || passwordFile !== undefined)) {
    const why = "no mechanism says how to log in";
    faults.push(fault(`${at}.sasl`, `${at}.sasl has no effect`, why, "add mechanism, for instance SCRAM-SHA-512"));
  }
  const isOn = isTlsOn(tls);
  if (!isOn && (tls.ca !== undefined || tls.cert !== undefined)) {
    const why = "enabled is false";
    faults.push(warning(`${at}.tls`, `${at}.tls has no effect`, why, "remove enabled, or ca and cert"));
  }
  const isPlain = mechanism === "PLAIN" || mechanism === "OAUTHBEARER";
  if (isPlain && !isOn && brokers.some((broker) => !isLoopback(broker.replace(/:\d+$/, "").replace(/^\[|\]$/g, "")))) {
    const why = `${mechanism} sends its secret as it is, and without TLS everyone on the way can read it`;
    const remedy = "give tls.ca, or use a SCRAM mechanism";
    faults.push(warning(`${at}.sasl.mechanism`, `${at}.sasl is not safe`, why, remedy));
  }
  return faults;
}

export function isTlsOn({ enabled, ca, cert }: KafkaOptions["tls"]): boolean {
  return enabled ?? (ca !== undefined || cert !== undefined);
}
