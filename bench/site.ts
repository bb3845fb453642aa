/** Real processes for the bench: a gateway and an agent on loopback, in folders of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { addAgent } from "../gateway/ingress/credentials.ts";
import { askAdmin } from "../shared/ask-admin.ts";
import { realEnv } from "../shared/env.ts";

export interface Running {
  readonly pid: number;
  readonly adminPort: number;
  status(): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

export interface Site {
  readonly httpPort: number;
  readonly agentFolder: string;
  readonly queueFolder: string;
  startAgent(): Promise<Running>;
  startGateway(): Promise<Running>;
}

const startTimeoutMs = 20_000;
const agentName = "bench";

/**
 * Lays the folders and configurations of a site.
 * @param queue the gateway's section of that name; files in a folder of the site where absent
 */
export async function makeSite(folder: string, queue?: object): Promise<Site> {
  const [httpPort, agentAdmin, gatewayAdmin, mqttPort] = await freePorts(4);
  const agentFolder = join(folder, "agent");
  const gatewayFolder = join(folder, "gateway");
  const queueFolder = join(folder, "queue");
  mkdirSync(agentFolder, { recursive: true });
  const password = addAgent(gatewayFolder, agentName, realEnv());
  writeFileSync(join(agentFolder, "password"), password, { mode: 0o600 });
  const agentConfig = join(folder, "agent.yaml");
  writeFileSync(
    agentConfig,
    `name: ${agentName}
stateFolder: ${agentFolder}
store: { quota: 8GB }
gateway: { urls: ["mqtt://127.0.0.1:${mqttPort}"] }
inputs:
  http: { listen: "127.0.0.1:${httpPort}" }
  host: { enabled: false }
admin: { listen: "127.0.0.1:${agentAdmin}" }
log: { level: warn }
`,
  );
  const gatewayConfig = join(folder, "gateway.yaml");
  writeFileSync(
    gatewayConfig,
    `name: bench
stateFolder: ${gatewayFolder}
mqtt: { listen: "127.0.0.1:${mqttPort}" }
queue: ${JSON.stringify(queue ?? { folder: queueFolder, retainBytes: "100GB" })}
admin: { listen: "127.0.0.1:${gatewayAdmin}" }
log: { level: error }
`,
  );
  return {
    httpPort: httpPort as number,
    agentFolder,
    queueFolder,
    startAgent: () => start("agent", agentConfig, agentAdmin as number, folder),
    startGateway: () => start("gateway", gatewayConfig, gatewayAdmin as number, folder),
  };
}

async function start(program: string, config: string, adminPort: number, folder: string): Promise<Running> {
  // The launcher replaces itself by the program, so the process id is the program's, and it is measured as it is run.
  const launcher = fileURLToPath(new URL(`../bin/holdfast-${program}.js`, import.meta.url));
  const log = openSync(join(folder, `${program}.log`), "a");
  const child: ChildProcess = spawn(process.execPath, [launcher, "run", "-c", config], {
    stdio: ["ignore", "ignore", log],
  });
  closeSync(log);
  const status = async (): Promise<Record<string, unknown>> =>
    (await askAdmin("127.0.0.1", adminPort, "/status")) as Record<string, unknown>;
  const untilMs = performance.now() + startTimeoutMs;
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`the ${program} ended: ${readFileSync(join(folder, `${program}.log`))}`);
    try {
      await status();
      break;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(20);
    }
  }
  return {
    pid: child.pid as number,
    adminPort,
    status,
    async stop() {
      if (child.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** Polls until `isDone`; returns the seconds it took. */
export async function waitFor(isDone: () => Promise<boolean>, timeoutMs: number): Promise<number> {
  const startMs = performance.now();
  while (!(await isDone())) {
    if (performance.now() - startMs > timeoutMs) throw new Error("it did not come to its end in time");
    await sleep(20);
  }
  return (performance.now() - startMs) / 1000;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) server.close();
  return ports;
}

/** Resident memory of a process, bytes. */
export function rssOf(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}

/** Lets `peakRssOf` begin anew. */
export function forgetPeakOf(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** The most memory that a process ever had resident, bytes. */
export function peakRssOf(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}

/** Processor time that a process has taken, seconds. */
export function cpuSecondsOf(pid: number): number {
  // After the name, which may hold anything: the 12th and 13th are ticks in user and kernel mode, 100 a second.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Bytes that a process caused to be written to its disk. */
export function writtenBy(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}
