/** Real NATS servers with JetStream in a folder of their own, on loopback, that demo and tests kill, pause, cut off and start again. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePorts } from "../ports.ts";
import { startRoutes } from "./routes.ts";
import { configText, natsServer } from "./server.ts";

export interface NatsOptions {
  /** `sync_interval` of a server; `always` where nothing else is asked for. */
  readonly syncOf?: (node: number) => string;
  /** More lines of every server's configuration. */
  readonly more?: string;
  /** Who may log in, in place of the users with passwords. */
  readonly accounts?: string | null;
  /** Lets the servers meet through proxies, so that `cut` works. */
  readonly canCut?: boolean;
}

export interface NatsCluster {
  readonly nodes: readonly number[];
  /** `host:port` for clients, by node from 1. */
  address(node: number): string;
  /** Those of all nodes. */
  readonly addresses: readonly string[];
  /** A server's name, as JetStream gives it: `n1` for node 1. */
  nameOf(node: number): string;
  /** Starts nodes that do not run, at their old ports and on their old data; resolves once they are current. */
  start(...nodes: number[]): Promise<void>;
  /** Ends a node by a signal and waits until it is gone. */
  kill(node: number, signal?: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Stops a node where it stands, as a machine that hangs would; resolves once all of it stands still. */
  pause(node: number): Promise<void>;
  resume(node: number): void;
  /** Cuts a node off from the others; clients reach it still. */
  cut(node: number): void;
  heal(node: number): void;
  log(node: number): string;
  dataFolder(node: number): string;
  stop(): Promise<void>;
}

const startWithinMs = 30_000;

/** Starts one server, or a cluster of three. Every file and process of theirs is gone after `stop`. */
export async function startNats(count: 1 | 3, options: NatsOptions = {}): Promise<NatsCluster> {
  const { syncOf = () => "always", more = "", accounts = null, canCut = false } = options;
  const folder = mkdtempSync(join(tmpdir(), "holdfast-nats-"));
  const nodes = Array.from({ length: count }, (_, index) => index + 1);
  const ports = await freePorts(count * 3);
  const port = (kind: 0 | 1 | 2, node: number) => ports[kind * count + node - 1] as number;
  const routePort = (node: number) => port(2, node);
  const routes = canCut ? await startRoutes(nodes, routePort) : null;
  const children = new Map<number, ChildProcess>();
  const endAll = () => {
    for (const child of children.values()) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.once("exit", endAll);

  const nameOf = (node: number) => `n${node}`;
  const address = (node: number) => `127.0.0.1:${port(0, node)}`;
  const dataFolder = (node: number) => join(folder, `data-${node}`);
  const configFile = (node: number) => join(folder, `${node}.conf`);
  const logFile = (node: number) => join(folder, `${node}.log`);

  function configure(node: number): void {
    const others = nodes.filter((other) => other !== node);
    const to = others.map((other) => routes?.address(node, other) ?? `127.0.0.1:${routePort(other)}`);
    const text = configText({
      name: nameOf(node),
      port: port(0, node),
      statusPort: port(1, node),
      dataFolder: dataFolder(node),
      sync: syncOf(node),
      routes: count === 1 ? null : { port: routePort(node), to, areTheOnly: canCut },
      more,
      accounts,
    });
    writeFileSync(configFile(node), text);
  }

  function launch(node: number): void {
    const log = openSync(logFile(node), "a");
    const child = spawn(natsServer, ["--config", configFile(node)], {
      stdio: ["ignore", log, log],
      // A group of its own: Ctrl-C at a terminal ends the parent, which then ends its servers last.
      detached: true,
    });
    closeSync(log);
    children.set(node, child);
  }

  /** An open port is not readiness, nor is a leader while the cluster still counts fewer than all. */
  async function ready(wanted: readonly number[]): Promise<void> {
    const until = performance.now() + startWithinMs;
    for (;;) {
      const states = await Promise.all(wanted.map(isReady));
      if (states.every((isFine) => isFine)) return;
      const dead = wanted.find((node) => children.get(node)?.exitCode !== null);
      if (dead !== undefined || performance.now() > until) {
        const about = dead ?? wanted[states.indexOf(false)] ?? 1;
        throw new Error(`NATS server ${about} does not start:\n${readFileSync(logFile(about), "utf8")}`);
      }
      await wait(50);
    }
  }

  async function isReady(node: number): Promise<boolean> {
    const ask = async (path: string): Promise<Record<string, unknown>> => {
      const answer = await fetch(`http://127.0.0.1:${port(1, node)}/${path}`, { signal: AbortSignal.timeout(2_000) });
      return (await answer.json()) as Record<string, unknown>;
    };
    try {
      if ((await ask("healthz")).status !== "ok") return false;
      if (count === 1) return true;
      const meta = (await ask("jsz")).meta_cluster as MetaCluster | undefined;
      if (meta?.cluster_size !== count || !meta.leader) return false;
      // The leader places copies only on servers of which it has heard.
      return meta.leader !== nameOf(node) || meta.replicas.every(({ offline }) => offline !== true);
    } catch {
      return false;
    }
  }

  async function start(...wanted: number[]): Promise<void> {
    for (const node of wanted) launch(node);
    await ready(wanted);
  }

  async function kill(node: number, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = children.get(node);
    if (child === undefined) return;
    children.delete(node);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  }

  async function stop(): Promise<void> {
    process.removeListener("exit", endAll);
    await Promise.all(nodes.map((node) => kill(node)));
    await routes?.close();
    rmSync(folder, { recursive: true, force: true });
  }

  function cuttable() {
    if (routes === null) throw new Error("this cluster was started without proxies between its servers");
    return routes;
  }

  try {
    for (const node of nodes) configure(node);
    await start(...nodes);
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    nodes,
    address,
    addresses: nodes.map(address),
    nameOf,
    start,
    kill,
    stop,
    dataFolder,
    async pause(node) {
      const child = children.get(node);
      child?.kill("SIGSTOP");
      // Its other threads run on for a moment, long enough to acknowledge something.
      while (child?.pid !== undefined && !stands(child.pid)) await wait(1);
    },
    resume: (node) => void children.get(node)?.kill("SIGCONT"),
    cut: (node) => cuttable().cut(node),
    heal: (node) => cuttable().heal(node),
    log: (node) => readFileSync(logFile(node), "utf8"),
  };
}

/** What a server says of those that decide on streams. */
interface MetaCluster {
  readonly leader?: string;
  readonly cluster_size: number;
  readonly replicas: readonly { readonly offline?: boolean }[];
}

/** True once the kernel says that each thread of a process was stopped. */
function stands(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    / [Tt] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8").replace(/^.*\)/, "")),
  );
}
