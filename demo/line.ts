/**
 * The whole line as real processes in one folder: a gateway and an agent, each with a config file, on free ports of
 * loopback. Either can be stopped or killed and started again at the same place.
 */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { stringify } from "yaml";
import type { AgentStatus } from "../agent/status.ts";
import type { GatewayStatus } from "../gateway/status.ts";
import { askAdmin } from "../shared/ask-admin.ts";
import { freePorts } from "./ports.ts";
import { type Ended, type Running, startProcess, tailOf } from "./processes.ts";
import { until } from "./waiting.ts";

export const agentScript = fileURLToPath(new URL("../agent/cli.ts", import.meta.url));
export const gatewayScript = fileURLToPath(new URL("../gateway/cli.ts", import.meta.url));
const startWithinMs = 20_000;

/** A program of the line that is started, stopped and killed again and again. */
export interface Program<Status> {
  readonly configFile: string;
  readonly logFile: string;
  readonly adminPort: number;
  /** Starts it and waits until it answers. */
  start(how?: StartOptions): Promise<void>;
  /** Starts it without waiting. */
  launch(how?: StartOptions): Running;
  /** The process that was started last. */
  process(): Running;
  wasStarted(): boolean;
  kill(): Promise<Ended>;
  stop(): Promise<Ended>;
  status(): Promise<Status>;
}

export interface StartOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly wrapper?: readonly string[];
}

export interface Ports {
  readonly http: number;
  readonly agentAdmin: number;
  readonly mqtt: number;
  readonly gatewayAdmin: number;
  /** For a link between the two (link.ts), where one is wanted. */
  readonly link: number;
}

export interface Line {
  readonly folder: string;
  readonly queueFolder: string;
  readonly agentState: string;
  readonly gatewayState: string;
  readonly ports: Ports;
  readonly agent: Program<AgentStatus>;
  readonly gateway: Program<GatewayStatus>;
}

/** Config sections that differ from the ordinary ones, as they stand in the file. */
export interface LineOptions {
  readonly folder: string;
  readonly agentName?: string;
  readonly agent?: (ports: Ports, passwordFile: string) => object;
  readonly gateway?: (ports: Ports) => object;
}

/** Lays out folders, config files and the agent's password; starts nothing. */
export async function layLine({ folder, agentName = "demo", agent, gateway }: LineOptions): Promise<Line> {
  const [http = 0, agentAdmin = 0, mqtt = 0, gatewayAdmin = 0, link = 0] = await freePorts(5);
  const ports = { http, agentAdmin, mqtt, gatewayAdmin, link };
  const agentState = join(folder, "agent");
  const gatewayState = join(folder, "gateway");
  const queueFolder = join(gatewayState, "queue");
  for (const state of [agentState, gatewayState]) mkdirSync(state, { recursive: true, mode: 0o750 });
  const gatewayConfig = join(folder, "gateway.yaml");
  const agentConfig = join(folder, "agent.yaml");
  const passwordFile = join(folder, "agent.password");
  writeFileSync(
    gatewayConfig,
    stringify({
      name: "gateway",
      stateFolder: gatewayState,
      mqtt: { listen: `127.0.0.1:${mqtt}` },
      admin: { listen: `127.0.0.1:${gatewayAdmin}` },
      ...gateway?.(ports),
    }),
  );
  writeFileSync(
    agentConfig,
    stringify({
      name: agentName,
      stateFolder: agentState,
      gateway: { urls: [`mqtt://127.0.0.1:${mqtt}`], passwordFile },
      inputs: { http: { listen: `127.0.0.1:${http}` }, host: { enabled: false } },
      admin: { listen: `127.0.0.1:${agentAdmin}` },
      ...agent?.(ports, passwordFile),
    }),
  );
  const { stdout } = await command(gatewayScript, ["agent", "add", agentName, "--config", gatewayConfig]);
  writeFileSync(passwordFile, stdout, { mode: 0o600 });
  return {
    folder,
    queueFolder,
    agentState,
    gatewayState,
    ports,
    agent: openProgram<AgentStatus>(agentScript, agentConfig, join(folder, "agent.log"), agentAdmin),
    gateway: openProgram<GatewayStatus>(gatewayScript, gatewayConfig, join(folder, "gateway.log"), gatewayAdmin),
  };
}

/** Runs a command line to its end. */
export function command(script: string, args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [script, ...args], { maxBuffer: 16 * 1024 * 1024, timeout: 30_000 });
}

/** A program that runs with `configFile`. */
export function openProgram<Status>(
  script: string,
  configFile: string,
  logFile: string,
  adminPort: number,
): Program<Status> {
  let running: Running | undefined;
  const last = (): Running => {
    if (running === undefined) throw new Error(`${script} was not started`);
    return running;
  };
  const launch = ({ environment, wrapper }: StartOptions = {}): Running => {
    running = startProcess([script, "run", "--config", configFile], logFile, environment, wrapper);
    return running;
  };
  return {
    configFile,
    logFile,
    adminPort,
    launch,
    process: last,
    wasStarted: () => running !== undefined,
    async start(how) {
      const started = launch(how);
      await until(
        `${script} answers`,
        async () => {
          if (!started.isRunning()) return true;
          await askAdmin("127.0.0.1", adminPort, "/healthz");
          return true;
        },
        startWithinMs,
      );
      if (!started.isRunning()) throw new Error(`${script} ended at its start:\n${tailOf(logFile)}`);
    },
    kill: () => last().kill(),
    stop: () => last().stop(),
    status: async () => (await askAdmin("127.0.0.1", adminPort, "/status")) as Status,
  };
}
