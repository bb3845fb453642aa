/** The options of the Kafka queue. */
import { choice, count, duration, flag, identifier, text } from "../shared/options/kinds.ts";
import { file, secretFile, secretUrl, server } from "../shared/options/places.ts";
import { list, mapping, optional, required, section, setting } from "../shared/options/table.ts";
import { type PropertyValue, propertyKind } from "./queue/kafka/client/properties.ts";
import { valueFormats } from "./queue/kafka/records/record-rules.ts";
import { defaultTopic } from "./queue/kafka/topics/topic-names.ts";

/** Whether names are legal and apart from each other shows only when all are known: options-kafka-check.ts. */
const topic = text(249);

const tls = section("TLS to the brokers. It is on where enabled says so, or ca or cert is given.", {
  enabled: optional(flag, "on where ca or cert is given", "true", "Switches TLS on or off."),
  ca: optional(
    file,
    "the authorities that this machine trusts",
    "kafka-ca.pem",
    "The authority that signed the brokers' certificates, a PEM file.",
  ),
  cert: optional(file, "none is shown", "kafka-client.pem", "The certificate that this gateway shows the brokers."),
  key: optional(secretFile, "none", "kafka-client.key", "The private key of cert, PEM without a password."),
});

const sasl = section("How the gateway logs in to the brokers.", {
  mechanism: optional(
    choice(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]),
    "no login, or that of the certificate",
    "SCRAM-SHA-512",
    "PLAIN and SCRAM take username and passwordFile, OAUTHBEARER the options of oauth.",
  ),
  username: optional(text(256), "none", "holdfast", "The user."),
  passwordFile: optional(
    secretFile,
    "none",
    "kafka-password",
    "The file with the user's password, nothing else in it.",
  ),
  oauth: section("Where OAUTHBEARER gets its tokens: client credentials of OAuth 2.", {
    tokenEndpoint: optional(secretUrl, "none", "https://login.example/oauth2/token", "Where tokens are asked for."),
    clientId: optional(text(256), "none", "holdfast", "The client."),
    clientSecretFile: optional(secretFile, "none", "kafka-oauth-secret", "The file with the client's secret."),
    scope: optional(text(1_000), "the endpoint's default", "kafka", "The scope that is asked for."),
    ca: optional(
      file,
      "the authorities that this machine trusts",
      "login-ca.pem",
      "The authority that signed the endpoint's certificate.",
    ),
  }),
});

const properties = mapping<PropertyValue>(
  propertyKind,
  {
    names: "properties of librdkafka",
    countMax: 64,
    schema: { type: ["string", "number", "boolean"] },
    example: { "compression.type": "lz4", "client.rack": "site-3" },
  },
  "More properties of librdkafka, the client. Those that the promise rests on cannot be set.",
);

export const kafkaSection = section("The Kafka queue; it counts where queue.engine is kafka.", {
  brokers: list(
    required(server, "kafka-1.example:9092", "A broker."),
    { countMax: 32, default: [], example: ["kafka-1.example:9092", "kafka-2.example:9092"] },
    "Some brokers of the cluster; they name the others. At least one must be given.",
  ),
  namespace: setting(
    identifier,
    "holdfast",
    "Tells queues on one cluster apart; part of the transactional ids. Fixed when the queue is made.",
  ),
  topic: setting(
    topic,
    defaultTopic,
    "Where readings go: a topic, or a template with {agent}, {stream} and {series}, each at most once.",
  ),
  key: optional(
    text(249),
    "{agent}/{series}, and {agent}/{stream} for batches",
    "{agent}/{series}",
    "The key of a reading, with the same placeholders. Order holds for each key.",
  ),
  format: setting(
    choice(valueFormats),
    "json",
    "What a record holds: json, senml and cbor one reading, batch a block of them, compressed as it came.",
  ),
  timestamp: setting(
    choice(["reading", "arrival"]),
    "reading",
    "The timestamp of a record: the time of its reading, or that of its arrival. Kafka deletes by it, so topics of " +
      "readings are made to keep 30 days where it is the reading's, and what the cluster keeps where it is not.",
  ),
  historicalAfter: setting(
    duration({ min: "1s", max: "36500d" }),
    "10m",
    "Readings older than this when they are written have the header `historical`.",
  ),
  losses: setting(
    choice(["apart", "beside"]),
    "apart",
    "Where loss records go: apart: to lossTopic; beside: to the topic of the readings they stand for.",
  ),
  lossTopic: setting(topic, "holdfast.losses", "The topic of loss records."),
  deadLetterTopic: setting(
    topic,
    "holdfast.dead-letters",
    "The topic of what cannot be written otherwise: blocks that nobody can decode, readings that are too large.",
  ),
  positionsTopic: optional(
    topic,
    "the namespace and `.positions`",
    "holdfast.positions",
    "The topic of what was forwarded. It is the memory of the queue: never delete it.",
  ),
  shards: setting(
    count(1, 64),
    "1",
    "Parts of the queue that different gateways can forward: partitions of the positions topic. Fixed when the " +
      "queue is made, since changing it would forget what was forwarded.",
  ),
  createTopics: setting(
    flag,
    "true",
    "Topics that are missing are made. Otherwise they are named, with the commands that make them.",
  ),
  partitions: setting(count(1, 1_000), "6", "Partitions of the topics that are made, the positions apart."),
  replication: setting(count(1, 9), "3", "Copies of the topics that are made; the cluster needs as many brokers."),
  settle: setting(
    duration({ min: "100ms", max: "1d" }),
    "40s",
    "When a broker's machine loses power, its disk has what came this long before. Linux writes after 30 s what a " +
      "broker has written, and looks every 5 s; only then the journal lets go of what was forwarded.",
  ),
  commitInterval: setting(
    duration({ min: "0ms", max: "10s" }),
    "100ms",
    "Readings are gathered for this long before a transaction commits them. Shorter: they are visible sooner; longer: " +
      "fewer and larger transactions, which cost the cluster less.",
  ),
  confirmCluster: optional(
    text(100),
    "a cluster with another id than before is refused",
    "MkU3OEVBNTcwNTJENDM2Qg",
    "The id of the cluster that is meant, after another one was refused.",
  ),
  tls,
  sasl,
  properties,
  standby: section(
    "A second cluster, which takes over where the first one is lost. It counts where brokers are given.",
    {
      brokers: list(
        required(server, "kafka-b1.example:9092", "A broker."),
        { countMax: 32, default: [], example: ["kafka-b1.example:9092", "kafka-b2.example:9092"] },
        "Some brokers of the second cluster.",
      ),
      form: setting(
        choice(["switch", "mirror"]),
        "switch",
        "switch: this gateway writes to the second cluster while the first one is away, and readers read both; mirror: " +
          "MirrorMaker 2 copies the first one to it, and nothing leaves the journal before it stands there.",
      ),
      automatic: setting(flag, "true", "With switch: the gateway changes by itself; otherwise only on command."),
      switchAfter: setting(
        duration({ min: "1s", max: "36500d" }),
        "10m",
        "The active cluster has taken nothing for this long, though something waits: the other one takes over.",
      ),
      backAfter: setting(
        duration({ min: "1s", max: "36500d" }),
        "10m",
        "The first cluster has answered for this long, and nothing is in doubt there: it takes over again.",
      ),
      inDoubt: setting(
        choice(["hold", "repeat"]),
        "hold",
        "Readings that a cluster may have which is away. hold: they wait for it; repeat: after switchAfter the other one gets " +
          "them too, with the header maybe-repeated.",
      ),
      confirmCluster: optional(
        text(100),
        "a cluster with another id than before is refused",
        "MkU3OEVBNTcwNTJENDM2Qg",
        "The id of the second cluster that is meant, after another one was refused.",
      ),
      tls,
      sasl,
      properties,
    },
  ),
});
