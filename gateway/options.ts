/** The option table of the gateway. */
import { logLevels } from "../shared/log.ts";
import { choice, count, duration, groupId, identifier, size } from "../shared/options/kinds.ts";
import { file, folder, listen, mqttUrl, secretFile } from "../shared/options/places.ts";
import { list, optional, type Program, required, section, setting } from "../shared/options/table.ts";
import { checkGatewayOptions } from "./options-check.ts";
import { kafkaSection } from "./options-kafka.ts";

const table = section("Settings of the Holdfast gateway.", {
  name: optional(identifier, "this machine's host name", "site-3", "The name that agents and operators see."),
  stateFolder: setting(
    folder,
    "holdfast-gateway",
    "Where the journal, the group id and the agents' credentials lie. Relative paths start from the folder of this file.",
  ),
  mqtt: section("How agents reach this gateway.", {
    listen: setting(listen, "127.0.0.1:1883", "The address for plain MQTT, on loopback only."),
    tls: section("MQTT over TLS, for agents on other machines. It runs where cert and key are given.", {
      listen: setting(listen, "0.0.0.0:8883", "The address for MQTT over TLS."),
      cert: optional(file, "no TLS", "gateway.pem", "The certificate of this gateway, a PEM file with its chain."),
      key: optional(secretFile, "no TLS", "gateway.key", "The private key of cert."),
      ca: optional(
        file,
        "agents need only their secret",
        "agents-ca.pem",
        "Where given, an agent must also show a certificate that this authority signed.",
      ),
    }),
  }),
  advertise: list(
    required(mqttUrl, "mqtts://gateway.example:8883", "A gateway of the group."),
    { countMax: 32, default: [], example: ["mqtts://gateway.example:8883"] },
    "The URLs of all gateways of the group, which agents are told. Without them agents use their own lists.",
  ),
  group: section("The group of gateways that share one journal and one queue.", {
    id: optional(
      groupId,
      "made once and kept in stateFolder and in the queue",
      "0123456789abcdef0123456789abcdef",
      "A check only: the gateway refuses to start where its group id is another.",
    ),
  }),
  journal: section("The journal keeps what arrived until the queue has it.", {
    engine: setting(choice(["sqlite"]), "sqlite", "sqlite: one file on this machine."),
    quota: setting(
      size({ min: "64MB", max: "1000TB" }),
      "10GB",
      "The most that the journal may take on disk. When it is full, agents keep their readings and wait.",
    ),
  }),
  queue: section("The queue is where the line ends and readers begin.", {
    engine: setting(
      choice(["file", "kafka"]),
      "file",
      "file: segments of JSON lines in a folder; kafka: topics of a Kafka cluster, see kafka below.",
    ),
    folder: optional(folder, "the folder `queue` in stateFolder", "/srv/readings", "file: where the segments lie."),
    segmentBytes: setting(
      size({ min: "64kB", max: "10GB" }),
      "64MB",
      "file: the open segment is closed, and so readable as a whole, at this size.",
    ),
    segmentAge: setting(
      duration({ min: "100ms", max: "1d" }),
      "1m",
      "file: the open segment is closed this long after its first line.",
    ),
    retainBytes: setting(
      size({ min: "1MB", max: "1000TB" }),
      "100GB",
      "file: the oldest closed segments beyond this much are deleted.",
    ),
    retainAge: optional(
      duration({ min: "1m", max: "36500d" }),
      "segments are kept until retainBytes",
      "90d",
      "file: closed segments older than this are deleted.",
    ),
    kafka: kafkaSection,
  }),
  sendWindow: setting(count(1, 64), "16", "Batches that one agent may have on their way at the same time."),
  admin: section("For operators: /healthz, /metrics (Prometheus) and /status.", {
    listen: setting(listen, "127.0.0.1:7382", "The address to listen on, on loopback."),
  }),
  log: section("The log on stderr.", {
    level: setting(choice(logLevels), "info", "The least severe lines that are written."),
  }),
});

/** The gateway as the option machinery sees it. */
export const gatewayProgram = {
  command: "holdfast-gateway",
  prefix: "HOLDFAST_GATEWAY",
  file: "gateway.yaml",
  table,
  check: checkGatewayOptions,
} satisfies Program<(typeof table)["fields"]>;

export type GatewayTable = typeof table;
