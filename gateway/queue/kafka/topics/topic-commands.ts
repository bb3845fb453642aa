/** The commands of Kafka's own tools that mend what is wrong with a topic, as an administrator would type them. Pure. */
import type { NewTopic, Operation } from "../client/admin.ts";
import type { KafkaSettings } from "../settings.ts";

export type CommandSettings = Pick<KafkaSettings, "brokers" | "security">;

function tool(name: string, { brokers, security }: CommandSettings): string {
  const isPlain = security.tls === null && security.login === null;
  // How an administrator logs in is not for this gateway to know.
  return `${name} --bootstrap-server ${brokers.join(",")}${isPlain ? "" : " --command-config admin.properties"}`;
}

export function setCommand(settings: CommandSettings, topic: string, config: string, value: string): string {
  return `${tool("kafka-configs.sh", settings)} --alter --entity-type topics --entity-name ${topic} --add-config ${config}=${value}`;
}

export function createCommand(settings: CommandSettings, topic: NewTopic): string {
  const { name, partitions, replication, configs } = topic;
  const given = Object.entries(configs).map(([key, value]) => ` --config ${key}=${value}`);
  const shape = `--partitions ${partitions} --replication-factor ${replication}`;
  return `${tool("kafka-topics.sh", settings)} --create --topic ${name} ${shape}${given.join("")}`;
}

/** Gives each partition more copies: those that it has, and the next brokers in a circle. */
export function replicasCommand(
  settings: CommandSettings,
  topic: string,
  replicas: readonly (readonly number[])[],
  brokers: readonly number[],
  wanted: number,
): string {
  const partitions = replicas.map((own, partition) => {
    const turned = brokers.map((_, at) => brokers[(partition + at) % brokers.length] as number);
    const more = turned.filter((id) => !own.includes(id)).slice(0, Math.max(0, wanted - own.length));
    return { topic, partition, replicas: [...own, ...more] };
  });
  const plan = JSON.stringify({ version: 1, partitions });
  const run = `${tool("kafka-reassign-partitions.sh", settings)} --reassignment-json-file copies.json --execute`;
  return `echo '${plan}' > copies.json && ${run}`;
}

export function rightsCommand(
  settings: CommandSettings,
  resource: { readonly topic: string } | { readonly group: string } | { readonly transactionalIdPrefix: string },
  operations: readonly Operation[],
): string {
  const wanted = operations.map((operation) => ` --operation ${operation}`).join("");
  const what =
    "topic" in resource
      ? `--topic ${resource.topic}`
      : "group" in resource
        ? `--group ${resource.group}`
        : `--transactional-id ${resource.transactionalIdPrefix} --resource-pattern-type prefixed`;
  return `${tool("kafka-acls.sh", settings)} --add --allow-principal ${principalOf(settings)}${wanted} ${what}`;
}

/** Whom the cluster takes this gateway for, as far as its settings tell. */
function principalOf({ security: { tls, login } }: CommandSettings): string {
  if (login !== null && login.mechanism !== "OAUTHBEARER") return word(`User:${login.username}`);
  if (login !== null) return word("User:(subject of the token)");
  return tls?.client === null || tls === null ? "User:ANONYMOUS" : word("User:(subject of the certificate)");
}

/** One word of a shell's line. */
function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
