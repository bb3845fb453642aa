/** The configuration of the agent as its parts take it: plain values in bytes and ms. */
import { hostname } from "node:os";
import { join } from "node:path";
import type { LogLevel } from "../shared/log.ts";
import type { OptionFault } from "../shared/options/fault.ts";
import { type Environment, loadOptions } from "../shared/options/load.ts";
import { type Listen, nameOfHost } from "../shared/options/places.ts";
import type { FileReference } from "../shared/options/scalar.ts";
import type { ValueOf } from "../shared/options/table.ts";
import { type AgentTable, agentProgram } from "./options.ts";

export type Policy = "reject" | "drop-oldest";

export interface StreamConfig {
  readonly name: string;
  /** 0 to 9, lower first. */
  readonly priority: number;
  readonly policy: Policy;
  /** The most that this stream may hold; null where only the store's quota bounds it. */
  readonly quotaBytes: number | null;
}

export interface StoreConfig {
  readonly quotaBytes: number;
  readonly ballastBytes: number;
  readonly commitIntervalMs: number;
  readonly cacheBytes: number;
}

/** Files are read when a connection is made (secrets.ts), so that renewed ones count without a restart. */
export interface GatewayLinkConfig {
  readonly urls: readonly string[];
  /** The secret itself, or null where `passwordFile` holds it. */
  readonly password: string | null;
  readonly passwordFile: string;
  readonly tls: { readonly caFile: string | null; readonly certFile: string | null; readonly keyFile: string | null };
  readonly sendWindow: number;
  readonly answerTimeoutMs: number;
  readonly keepAliveMs: number;
}

export interface HttpInputConfig extends Listen {
  readonly stream: string;
  readonly bodyBytesMax: number;
}

export interface HostInputConfig {
  readonly everyMs: number;
  readonly stream: string;
}

export interface TailInputConfig {
  readonly name: string;
  /** Absolute paths that may hold wildcards. */
  readonly files: readonly string[];
  readonly stream: string;
  readonly parse:
    | { readonly kind: "none" }
    | { readonly kind: "json" }
    | { readonly kind: "regex"; readonly pattern: string };
}

export interface AgentConfig {
  readonly name: string;
  readonly stateFolder: string;
  readonly streams: readonly StreamConfig[];
  readonly store: StoreConfig;
  readonly gateway: GatewayLinkConfig;
  /** An input that does not run is null. */
  readonly inputs: {
    readonly http: HttpInputConfig | null;
    readonly host: HostInputConfig | null;
    readonly tails: readonly TailInputConfig[];
  };
  readonly admin: Listen;
  readonly log: { readonly level: LogLevel };
}

export type LoadedAgentConfig =
  | {
      readonly config: AgentConfig;
      readonly warnings: readonly OptionFault[];
      readonly files: readonly FileReference[];
    }
  | { readonly faults: readonly OptionFault[] };

/**
 * Loads the configuration of the agent.
 * @param path the config file; undefined runs on the defaults and the environment alone
 */
export function loadAgentConfig(path: string | undefined, environment: Environment): LoadedAgentConfig {
  const loaded = loadOptions(agentProgram, path, environment);
  if ("faults" in loaded) return loaded;
  const config = agentConfig(loaded.value);
  const files = [...loaded.files];
  if (loaded.value.gateway.password === undefined && loaded.value.gateway.passwordFile === undefined) {
    const place = { source: "", line: null, column: null };
    files.push({ path: "gateway.passwordFile", place, file: config.gateway.passwordFile, secret: true });
  }
  return { config, warnings: loaded.warnings, files };
}

function agentConfig(options: ValueOf<AgentTable>): AgentConfig {
  const { store, gateway, inputs } = options;
  return {
    name: options.name ?? nameOfHost(hostname(), "agent"),
    stateFolder: options.stateFolder,
    streams: options.streams.map(({ quota, ...stream }) => ({ ...stream, quotaBytes: quota ?? null })),
    store: {
      quotaBytes: store.quota,
      ballastBytes: store.ballast,
      commitIntervalMs: store.commitInterval,
      cacheBytes: store.cache,
    },
    gateway: {
      urls: gateway.urls,
      password: gateway.password ?? null,
      passwordFile: gateway.passwordFile ?? join(options.stateFolder, "password"),
      tls: {
        caFile: gateway.tls.ca ?? null,
        certFile: gateway.tls.cert ?? null,
        keyFile: gateway.tls.key ?? null,
      },
      sendWindow: gateway.window,
      answerTimeoutMs: gateway.answerTimeout,
      keepAliveMs: gateway.keepalive,
    },
    inputs: {
      http: inputs.http.enabled
        ? { ...inputs.http.listen, stream: inputs.http.stream, bodyBytesMax: inputs.http.bodyMax }
        : null,
      host: inputs.host.enabled ? { everyMs: inputs.host.every, stream: inputs.host.stream } : null,
      tails: inputs.tail.map(({ pattern, parse, ...tail }) => ({
        ...tail,
        parse: parse === "regex" ? { kind: parse, pattern: pattern ?? "" } : { kind: parse },
      })),
    },
    admin: options.admin.listen,
    log: options.log,
  };
}
