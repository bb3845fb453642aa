/** From the options of the Kafka queue to its settings; the options have no faults by then. */
import { isTlsOn, type KafkaOptions, positionsTopicOf } from "./options-kafka-check.ts";
import type { KafkaSettings, LoginSettings, StandbySettings, TlsSettings } from "./queue/kafka/settings.ts";
import { defaultBatchKey, defaultKey } from "./queue/kafka/topics/topic-names.ts";

/** @param name of the gateway */
export function kafkaSettings(options: KafkaOptions, name: string): KafkaSettings {
  const { key, format, losses, lossTopic, historicalAfter, settle, commitInterval, confirmCluster } = options;
  const { brokers, namespace, topic, timestamp, deadLetterTopic, shards, createTopics, partitions, replication } =
    options;
  return {
    ...{ brokers, namespace, topic, format, timestamp, deadLetterTopic, shards, createTopics, partitions, replication },
    ...clientSettings(options, name),
    key: key ?? (format === "batch" ? defaultBatchKey : defaultKey),
    historicalAfterMs: historicalAfter,
    lossTopic: losses === "beside" ? null : lossTopic,
    positionsTopic: positionsTopicOf(options),
    settleMs: settle,
    commitIntervalMs: commitInterval,
    confirmCluster: confirmCluster ?? null,
    standby: standbySettings(options.standby, name),
  };
}

/** How a cluster is reached. */
function clientSettings(options: Pick<KafkaOptions, "tls" | "sasl" | "properties">, name: string) {
  // Clusters set quotas by the client's id, so a site may want one of its own.
  const { "client.id": clientId = `holdfast-${name}`, ...properties } = options.properties;
  const security = { tls: tlsSettings(options.tls), login: loginSettings(options.sasl) };
  return { clientId: String(clientId), security, properties };
}

function standbySettings(options: KafkaOptions["standby"], name: string): StandbySettings | null {
  const { brokers, form, automatic, switchAfter, backAfter, inDoubt, confirmCluster } = options;
  if (brokers.length === 0) return null;
  const rules = { isAutomatic: automatic, switchAfterMs: switchAfter, backAfterMs: backAfter, inDoubt };
  return { brokers, form, rules, confirmCluster: confirmCluster ?? null, ...clientSettings(options, name) };
}

/** The queue on the second cluster: the same, elsewhere. */
export function secondCluster(settings: KafkaSettings, standby: StandbySettings): KafkaSettings {
  const { brokers, clientId, confirmCluster, security, properties } = standby;
  return { ...settings, brokers, clientId, confirmCluster, security, properties, standby: null };
}

function tlsSettings(tls: KafkaOptions["tls"]): TlsSettings | null {
  if (!isTlsOn(tls)) return null;
  const { ca, cert, key } = tls;
  const client = cert === undefined || key === undefined ? null : { certFile: cert, keyFile: key };
  return { caFile: ca ?? null, client };
}

function loginSettings({
  mechanism,
  username = "",
  passwordFile = "",
  oauth,
}: KafkaOptions["sasl"]): LoginSettings | null {
  if (mechanism === undefined) return null;
  if (mechanism !== "OAUTHBEARER") return { mechanism, username, passwordFile };
  const { tokenEndpoint = "", clientId = "", clientSecretFile = "", scope, ca } = oauth;
  return { mechanism, tokenEndpoint, clientId, clientSecretFile, scope: scope ?? null, caFile: ca ?? null };
}
