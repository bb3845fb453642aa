/** What the tests of written commands share: terminals that run them, and addresses that are free. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { freePorts } from "../../demo/ports.ts";
import { until } from "../../demo/waiting.ts";

/** The addresses that the pages use, and what moves each elsewhere where another program has it. */
const addresses = [
  { port: 7380, variables: ["HOLDFAST_AGENT_INPUTS_HTTP_LISTEN"] },
  { port: 7381, variables: ["HOLDFAST_AGENT_ADMIN_LISTEN"] },
  { port: 7382, variables: ["HOLDFAST_GATEWAY_ADMIN_LISTEN"] },
  { port: 1883, variables: ["HOLDFAST_GATEWAY_MQTT_LISTEN", "HOLDFAST_AGENT_GATEWAY_URLS"] },
];

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Keeps the page's addresses where they are free. Returns what a command must be changed to otherwise. */
export async function place(environment: NodeJS.ProcessEnv): Promise<(command: string) => string> {
  const moved = new Map<number, number>();
  for (const { port, variables } of addresses) {
    if (await isFree(port)) continue;
    const [other] = (await freePorts(1)) as [number];
    moved.set(port, other);
    for (const name of variables) environment[name] = `${name.endsWith("URLS") ? "mqtt://" : ""}127.0.0.1:${other}`;
  }
  return (command) =>
    command.replace(/127\.0\.0\.1:(\d+)/g, (_, port) => `127.0.0.1:${moved.get(Number(port)) ?? port}`);
}

export interface Terminal {
  readonly child: ChildProcess;
  text(): string;
  isOpen(): boolean;
  /** Ends all programs in it. */
  close(): Promise<void>;
}

/** Runs a script in a process group of its own. */
export function openTerminal(script: string, cwd: string, env: NodeJS.ProcessEnv): Terminal {
  const child = spawn("bash", ["-e", "-o", "pipefail", "-c", script], {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  let isOpen = true;
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (text += part));
  child.on("close", () => (isOpen = false));
  const signal = (name: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-(child.pid as number), name);
    } catch {
      return false;
    }
  };
  return {
    child,
    text: () => text,
    isOpen: () => isOpen,
    async close() {
      signal("SIGTERM");
      await until("its programs have ended", () => !signal(0), 10_000).catch(() => signal("SIGKILL"));
    },
  };
}
