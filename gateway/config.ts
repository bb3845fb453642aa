/** The configuration of the gateway as its parts take it: plain values in bytes and ms. */
import { hostname } from "node:os";
import { join } from "node:path";
import type { LogLevel } from "../shared/log.ts";
import type { OptionFault } from "../shared/options/fault.ts";
import { type Environment, loadOptions } from "../shared/options/load.ts";
import { type Listen, nameOfHost } from "../shared/options/places.ts";
import type { FileReference } from "../shared/options/scalar.ts";
import type { ValueOf } from "../shared/options/table.ts";
import { kafkaSettings } from "./config-kafka.ts";
import { type GatewayTable, gatewayProgram } from "./options.ts";
import type { KafkaSettings } from "./queue/kafka/settings.ts";

export interface TlsListenConfig extends Listen {
  readonly certFile: string;
  readonly keyFile: string;
  /** Where given, an agent must show a certificate signed by it. */
  readonly caFile?: string;
}

export interface FileQueueConfig {
  readonly engine: "file";
  readonly folder: string;
  readonly segmentBytesMax: number;
  readonly segmentAgeMaxMs: number;
  readonly retainBytes: number;
  /** Infinity where only `retainBytes` bounds the queue. */
  readonly retainAgeMs: number;
}

export type QueueConfig = FileQueueConfig | ({ readonly engine: "kafka" } & KafkaSettings);

export interface GatewayConfig {
  readonly name: string;
  readonly stateFolder: string;
  /** `tls` is null where no certificate is configured. */
  readonly mqtt: { readonly listen: Listen; readonly tls: TlsListenConfig | null };
  readonly advertise: readonly string[];
  /** What the group id must be, 32 hexadecimal digits; null where it is not checked. */
  readonly groupId: string | null;
  readonly journal: { readonly engine: "sqlite"; readonly quotaBytes: number };
  readonly queue: QueueConfig;
  readonly sendWindow: number;
  readonly admin: Listen;
  readonly log: { readonly level: LogLevel };
}

export type LoadedGatewayConfig =
  | {
      readonly config: GatewayConfig;
      readonly warnings: readonly OptionFault[];
      readonly files: readonly FileReference[];
    }
  | { readonly faults: readonly OptionFault[] };

/**
 * Loads the configuration of the gateway.
 * @param path the config file; undefined runs on the defaults and the environment alone
 */
export function loadGatewayConfig(path: string | undefined, environment: Environment): LoadedGatewayConfig {
  const loaded = loadOptions(gatewayProgram, path, environment);
  if ("faults" in loaded) return loaded;
  return { config: gatewayConfig(loaded.value), warnings: loaded.warnings, files: loaded.files };
}

function gatewayConfig(options: ValueOf<GatewayTable>): GatewayConfig {
  const { mqtt, journal } = options;
  const { cert, key, ca } = mqtt.tls;
  const tls =
    cert === undefined || key === undefined
      ? null
      : { ...mqtt.tls.listen, certFile: cert, keyFile: key, ...(ca === undefined ? {} : { caFile: ca }) };
  const name = options.name ?? nameOfHost(hostname(), "gateway");
  return {
    name,
    stateFolder: options.stateFolder,
    mqtt: { listen: mqtt.listen, tls },
    advertise: options.advertise,
    groupId: options.group.id ?? null,
    journal: { engine: journal.engine, quotaBytes: journal.quota },
    queue: queueConfig(options, name),
    sendWindow: options.sendWindow,
    admin: options.admin.listen,
    log: options.log,
  };
}

function queueConfig({ queue, stateFolder }: ValueOf<GatewayTable>, name: string): QueueConfig {
  if (queue.engine === "kafka") return { engine: "kafka", ...kafkaSettings(queue.kafka, name) };
  return {
    engine: "file",
    folder: queue.folder ?? join(stateFolder, "queue"),
    segmentBytesMax: queue.segmentBytes,
    segmentAgeMaxMs: queue.segmentAge,
    retainBytes: queue.retainBytes,
    retainAgeMs: queue.retainAge ?? Number.POSITIVE_INFINITY,
  };
}
