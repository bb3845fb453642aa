/**
 * Which of librdkafka's properties a site may set, and to what. The table of all of them is generated from librdkafka's
 * own page; this file says what of it is not for sites, because the queue's promises rest on it, because it has an option
 * of its own, or because it cannot be followed by the second client (metadata.ts). Pure.
 */
import { nearest } from "../../../../shared/options/fault.ts";
import type { Kind, Parsed, Refusal } from "../../../../shared/options/table.ts";
import { propertyTable } from "./property-table.ts";

export type PropertyValue = string | number | boolean;

interface Property {
  readonly isOfProducers: boolean;
  readonly isOfConsumers: boolean;
  readonly type: string;
  /** A range, or words between commas. */
  readonly values: string;
}

const known: ReadonlyMap<string, Property> = new Map(
  propertyTable
    .trim()
    .split("\n")
    .map((line): [string, Property] => {
      const [name = "", users = "", type = "", values = ""] = line.split(" ");
      return [name, { isOfProducers: users.includes("P"), isOfConsumers: users.includes("C"), type, values }];
    }),
);

const leaveOut = "remove the line";
const securityRemedy =
  "use the options under queue.kafka.tls and queue.kafka.sasl; secrets stand in files that they name";

/** What sites may not set: the first rule that a name fits. */
const rules: readonly (Refusal & { readonly names: RegExp })[] = [
  {
    names:
      /^(request\.required\.)?acks$|^enable\.idempotence$|^queuing\.strategy$|^message\.send\.max\.retries$|^retries$/,
    why: "exactly once rests on acknowledgements of all replicas in sync, in order and without repeats",
    remedy: leaveOut,
  },
  {
    names: /^transactional\.id$/,
    why: "it is made of queue.kafka.namespace and the shard, so that a successor fences whoever had the shard before",
    remedy: "set queue.kafka.namespace where two queues share a cluster",
  },
  {
    names: /^(message|delivery|request)\.timeout\.ms$/,
    why: "the transaction's time-out governs how long a record may take",
    remedy: "set transaction.timeout.ms, from 60000 on",
  },
  {
    names: /^partitioner$/,
    why: "each record names its partition, as Java's producer would choose it",
    remedy: leaveOut,
  },
  {
    names: /^enable\.gapless\.guarantee$|^delivery\.report\.only\.error$|^topic\.metadata\.propagation\.max\.ms$/,
    why: "a failed record must end its transaction, and the last one of each partition must be reported",
    remedy: leaveOut,
  },
  {
    names: /^queue\.buffering\.max\.(messages|kbytes)$/,
    why: "it bounds the memory of the gateway, whatever the size of a transaction",
    remedy: leaveOut,
  },
  {
    names: /^allow\.auto\.create\.topics$/,
    why: "topics are made with settings that were checked",
    remedy: "set queue.kafka.createTopics",
  },
  {
    names: /^bootstrap\.servers$|^metadata\.broker\.list$/,
    why: "it has an option of its own",
    remedy: "set queue.kafka.brokers",
  },
  {
    names: /^sasl\.kerberos\./,
    why: "Kerberos is not supported; PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are",
    remedy: securityRemedy,
  },
  {
    names:
      /^security\.protocol$|^sasl\.|^enable\.sasl\.|^https\.|^ssl\.(?!(cipher\.suites|curves\.list|sigalgs\.list)$)/,
    why: "both clients of the gateway must log in alike, and no secret stands in this file",
    remedy: securityRemedy,
  },
  {
    names: /^enable\.ssl\.certificate\.verification$/,
    why: "a broker that nobody verifies may be anyone",
    remedy: "give queue.kafka.tls.ca the certificate of the authority that signed the brokers'",
  },
  {
    names: /^(builtin\.features|enabled_events|log\.queue|internal\.termination\.signal|plugin\.library\.paths)$/,
    why: "it is for programs that embed librdkafka",
    remedy: leaveOut,
  },
];

/** Bounds that are narrower here than in librdkafka, and why. */
const narrowed: ReadonlyMap<string, { readonly min: number; readonly max: number; readonly why: string }> = new Map([
  [
    "transaction.timeout.ms",
    { min: 60_000, max: 900_000, why: "a shorter one does not outlast the fail-over of a broker" },
  ],
  ["max.in.flight", { min: 1, max: 5, why: "more would break the order of an idempotent producer" }],
  [
    "max.in.flight.requests.per.connection",
    { min: 1, max: 5, why: "more would break the order of an idempotent producer" },
  ],
  ["message.max.bytes", { min: 1_000_000, max: 1e9, why: "the largest records would not fit a smaller one" }],
]);

/** The kind of a property's value, or why a site cannot set it. */
export function propertyKind(name: string): Kind<PropertyValue> | Refusal {
  const property = known.get(name);
  if (property === undefined) {
    const near = nearest(name, settable());
    const remedy =
      near === undefined ? "see CONFIGURATION.md of librdkafka for the names" : `perhaps ${near} was meant`;
    return { why: "librdkafka has no property of that name", remedy };
  }
  return refusalOf(name, property) ?? kindOf(name, property);
}

function* settable(): Generator<string> {
  for (const [name, property] of known) if (refusalOf(name, property) === undefined) yield name;
}

function refusalOf(name: string, { type, isOfProducers }: Property): Refusal | undefined {
  const rule = rules.find(({ names }) => names.test(name));
  if (rule !== undefined) return rule;
  if (type === "call") return { why: "only a program can set it", remedy: leaveOut };
  if (type === "old") return { why: "librdkafka calls it deprecated", remedy: leaveOut };
  if (isOfProducers) return undefined;
  return {
    why: "the gateway reads only what its start needs, with settings that its promises rest on",
    remedy: leaveOut,
  };
}

/** True for what concerns the producer alone: librdkafka complains where a consumer is given it. */
export function isOfProducersOnly(name: string): boolean {
  return known.get(name)?.isOfConsumers === false;
}

function kindOf(name: string, { type, values }: Property): Kind<PropertyValue> {
  if (type === "flag") {
    return plainKind("true or false", (text) => (text === "true" || text === "false" ? text === "true" : undefined));
  }
  if (type === "words") {
    const words = values.split(",");
    return plainKind(`one of ${words.join(", ")}`, (text) => (words.includes(text) ? text : undefined));
  }
  if (type === "text") {
    return plainKind("1 to 1000 characters", (text) => (text.length > 0 && text.length <= 1_000 ? text : undefined));
  }
  const [least = 0, largest = Number.MAX_SAFE_INTEGER] = values === "" ? [] : values.split("..").map(Number);
  const { min, max, why } = narrowed.get(name) ?? { min: least, max: largest };
  const numbers = type === "integer" ? /^-?\d{1,15}$/ : /^\d{1,15}(\.\d{1,6})?$/;
  return plainKind(`a number from ${min} to ${max}${why === undefined ? "" : `: ${why}`}`, (text) => {
    const number = numbers.test(text) ? Number(text) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  });
}

function plainKind<T extends PropertyValue>(
  wanted: string,
  read: (text: string) => T | undefined,
): Kind<PropertyValue> {
  return {
    type: wanted,
    schema: {},
    parse(text): Parsed<T> {
      const value = read(text);
      return value === undefined ? { why: `it takes ${wanted}`, remedy: "correct the value" } : { value };
    },
  };
}
