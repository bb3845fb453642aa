/** The option table of the agent. */
import { streamsMax } from "../shared/limits.ts";
import { logLevels } from "../shared/log.ts";
import { choice, count, duration, flag, identifier, pattern, size, text } from "../shared/options/kinds.ts";
import { file, folder, glob, listen, mqttUrl, secretFile } from "../shared/options/places.ts";
import { list, optional, type Program, required, section, setting } from "../shared/options/table.ts";
import { checkAgentOptions } from "./options-check.ts";

const stream = section("A lane of readings with its own order.", {
  name: required(identifier, "telemetry", "The name that inputs use."),
  priority: setting(count(0, 9), "5", "Streams of a lower number are sent first."),
  policy: setting(
    choice(["reject", "drop-oldest"]),
    "drop-oldest",
    "What happens when the quota is full and nothing delivered is left to free: reject refuses new readings, so that inputs wait; drop-oldest replaces the oldest readings by a loss record.",
  ),
  quota: optional(
    size({ min: "1MB", max: "1000TB" }),
    "the stream may fill the store",
    "200MB",
    "The most that this stream may hold.",
  ),
});

const tail = section("Files that programs append lines to.", {
  name: required(identifier, "syslog", "Names this input; each name once."),
  files: list(
    required(glob, "/var/log/*.log", "A path that may hold * and ?."),
    { countMax: 64, default: [], example: ["/var/log/*.log"] },
    "The files to follow; new ones that match are found while the agent runs.",
  ),
  stream: setting(identifier, "log", "The stream that the lines go to."),
  parse: setting(
    choice(["none", "json", "regex"]),
    "none",
    "none keeps each line as a text reading; json makes each field of a JSON line a reading, regex each named group. A line that does not fit stays text.",
  ),
  pattern: optional(
    pattern,
    "needed with parse: regex only",
    "temperature=(?<temperature>[-0-9.]+)",
    "The regular expression of parse: regex, with a named group for each series.",
  ),
});

const table = section("Settings of the Holdfast agent.", {
  name: optional(
    identifier,
    "this machine's host name",
    "pump-17",
    "The name of this agent. The gateway knows it by this name, so it must be its own among all agents of a group.",
  ),
  stateFolder: setting(
    folder,
    "holdfast-agent",
    "Where the store lies. Relative paths start from the folder of this file.",
  ),
  streams: list(
    stream,
    {
      countMax: streamsMax,
      unique: "name",
      default: [
        { name: "alarm", priority: "0", policy: "reject" },
        { name: "telemetry", priority: "5", policy: "drop-oldest" },
        { name: "log", priority: "9", policy: "drop-oldest" },
      ],
    },
    "The streams of this agent.",
  ),
  store: section("The store keeps every reading until the gateway has it.", {
    quota: setting(
      size({ min: "32MB", max: "1000TB" }),
      "1GB",
      "The most that the store may take on disk. Choose less than the file system has.",
    ),
    ballast: setting(
      size({ min: "8MB", max: "1GB" }),
      "8MB",
      "A file kept beside the store and freed when the disk is full, because then even deleting needs space.",
    ),
    commitInterval: setting(
      duration({ min: "0ms", max: "10s" }),
      "20ms",
      "Small requests are committed at most once in this time, so that they share the pages that a commit writes. Longer spares flash, shorter answers sooner when many come; one after a quiet time never waits.",
    ),
    cache: setting(size({ min: "256KiB", max: "1GiB" }), "512KiB", "Memory for pages of the store."),
  }),
  gateway: section("Where the readings go.", {
    urls: list(
      required(mqttUrl, "mqtts://gateway.example:8883", "A gateway."),
      { countMax: 32, default: ["mqtt://127.0.0.1:1883"] },
      "The gateways of one group. One is used at a time, the others when it fails. Plain mqtt:// is for this machine only.",
    ),
    passwordFile: optional(
      secretFile,
      "the file `password` in stateFolder",
      "agent.password",
      "The file with the secret that `holdfast-gateway agent add` printed.",
    ),
    password: optional(text(500), "passwordFile counts", "secret", "The secret itself; a file is safer."),
    tls: section("Certificates, as PEM files, for mqtts:// URLs.", {
      ca: optional(
        file,
        "the system's roots are trusted",
        "ca.pem",
        "The authority that signed the gateway's certificate.",
      ),
      cert: optional(file, "none is shown", "agent.pem", "This agent's certificate, where the gateway asks for one."),
      key: optional(secretFile, "none", "agent.key", "The private key of cert."),
    }),
    window: setting(count(1, 64), "16", "Batches on their way at the same time; the gateway may ask for fewer."),
    answerTimeout: setting(
      duration({ min: "1s", max: "10m" }),
      "10s",
      "How long an answer may take before the batch is sent again.",
    ),
    keepalive: setting(
      duration({ min: "5s", max: "18h" }),
      "60s",
      "How often a silent link is probed. On a metered link 60s costs about 9 MB a month, 20m about 0.45 MB.",
    ),
  }),
  inputs: section("Where readings come from.", {
    http: section("Readings sent by programs: POST /v1/readings.", {
      enabled: setting(flag, "true", "Whether this input runs."),
      listen: setting(listen, "127.0.0.1:7380", "The address to listen on. There is no password: keep it on loopback."),
      stream: setting(identifier, "telemetry", "The stream of requests that name none."),
      bodyMax: setting(size({ min: "1kB", max: "16MiB" }), "8MiB", "The largest request."),
    }),
    host: section("Measurements of this machine: processor, memory, disks, network, temperatures.", {
      enabled: setting(flag, "true", "Whether this input runs."),
      every: setting(duration({ min: "1s", max: "1d" }), "10s", "The time between two samples."),
      stream: setting(identifier, "telemetry", "The stream that the samples go to."),
    }),
    tail: list(
      tail,
      {
        countMax: 64,
        unique: "name",
        default: [],
        example: [{ name: "syslog", files: ["/var/log/syslog", "/var/log/*.log"], stream: "log", parse: "none" }],
      },
      "Log files to follow; each line becomes a reading.",
    ),
  }),
  admin: section("For operators: /healthz, /metrics (Prometheus) and /status.", {
    listen: setting(listen, "127.0.0.1:7381", "The address to listen on, on loopback."),
  }),
  log: section("The log on stderr.", {
    level: setting(choice(logLevels), "info", "The least severe lines that are written."),
  }),
});

/** The agent as the option machinery sees it. */
export const agentProgram = {
  command: "holdfast-agent",
  prefix: "HOLDFAST_AGENT",
  file: "agent.yaml",
  table,
  check: checkAgentOptions,
} satisfies Program<(typeof table)["fields"]>;

export type AgentTable = typeof table;
