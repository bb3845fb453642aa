/** A real gateway process in a folder of its own, with agents that may connect, and its queue as a reader sees it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { command, gatewayScript, openProgram, type Program } from "../../demo/line.ts";
import { freePorts } from "../../demo/ports.ts";
import type { GatewayStatus } from "../../gateway/status.ts";
import type { Line } from "./outcomes.ts";

export interface GatewayProcess {
  readonly folder: string;
  readonly stateFolder: string;
  readonly mqttPort: number;
  readonly adminPort: number;
  readonly program: Program<GatewayStatus>;
  /** Runs a command of the gateway with its configuration; rejects where it ends non-zero. */
  run(...args: string[]): Promise<{ stdout: string; stderr: string }>;
  /** The committed lines of the queue, as `queue read` prints them. */
  lines(): Promise<Line[]>;
  /** Resident memory now, bytes. */
  rssBytes(): number;
  log(): string;
}

/** Writes a configuration; starts nothing. The process is killed and the folder removed after the test. */
export async function layGateway(t: TestContext, stateName = "state"): Promise<GatewayProcess> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-gateway-"));
  const [mqttPort = 0, adminPort = 0] = await freePorts(2);
  const stateFolder = join(folder, stateName);
  const configFile = join(folder, "gateway.yaml");
  const logFile = join(folder, "gateway.log");
  const listens = `mqtt: { listen: "127.0.0.1:${mqttPort}" }\nadmin: { listen: "127.0.0.1:${adminPort}" }\n`;
  writeFileSync(configFile, `name: gateway\nstateFolder: ${stateFolder}\n${listens}`);
  const program = openProgram<GatewayStatus>(gatewayScript, configFile, logFile, adminPort);
  t.after(async () => {
    if (program.wasStarted()) await program.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  const run: GatewayProcess["run"] = (...args) => command(gatewayScript, [...args, "--config", configFile]);
  return {
    folder,
    stateFolder,
    mqttPort,
    adminPort,
    program,
    run,
    async lines() {
      const { stdout } = await run("queue", "read");
      return stdout.split("\n").flatMap((line) => (line === "" ? [] : (JSON.parse(line) as Line)));
    },
    rssBytes() {
      const status = readFileSync(`/proc/${program.process().pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
    },
    log: () => readFileSync(logFile, "utf8"),
  };
}
