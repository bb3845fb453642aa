/** The configuration of the Kafka queue as its parts take it: plain values, durations in ms. */
import type { StandbyRules } from "../standby/policy.ts";
import type { PropertyValue } from "./client/properties.ts";
import type { ValueFormat } from "./records/record-rules.ts";

export interface KafkaSettings {
  /** `host:port` each, at least one. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly namespace: string;
  /** A topic, or a template of topics. */
  readonly topic: string;
  readonly key: string;
  readonly format: ValueFormat;
  readonly timestamp: "reading" | "arrival";
  readonly historicalAfterMs: number;
  /** Null puts loss records beside the readings. */
  readonly lossTopic: string | null;
  readonly deadLetterTopic: string;
  readonly positionsTopic: string;
  readonly shards: number;
  readonly createTopics: boolean;
  /** Of topics that are made. */
  readonly partitions: number;
  readonly replication: number;
  readonly settleMs: number;
  readonly commitIntervalMs: number;
  /** The id of the cluster that the operator means; null where none is confirmed. */
  readonly confirmCluster: string | null;
  readonly security: SecuritySettings;
  /** More of librdkafka's properties, checked. */
  readonly properties: Readonly<Record<string, PropertyValue>>;
  /** The second cluster; null where there is none. */
  readonly standby: StandbySettings | null;
}

/** A second cluster: what differs from the first one, and how the two work together. */
export interface StandbySettings
  extends Pick<KafkaSettings, "brokers" | "clientId" | "confirmCluster" | "security" | "properties"> {
  readonly form: "switch" | "mirror";
  readonly rules: StandbyRules;
}

/** How the cluster is reached. All secrets are names of files, which are read when the gateway connects. */
export interface SecuritySettings {
  readonly tls: TlsSettings | null;
  readonly login: LoginSettings | null;
}

export interface TlsSettings {
  /** Null trusts whom this machine trusts. */
  readonly caFile: string | null;
  readonly client: { readonly certFile: string; readonly keyFile: string } | null;
}

export type LoginSettings =
  | {
      readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
      readonly username: string;
      readonly passwordFile: string;
    }
  | ({ readonly mechanism: "OAUTHBEARER" } & TokenSettings);

/** Where tokens come from: the client credentials of OAuth 2. */
export interface TokenSettings {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly clientSecretFile: string;
  readonly scope: string | null;
  readonly caFile: string | null;
}
