/** Real Kafka brokers in a folder of their own, on loopback, that demo and tests kill, pause and start again. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Admin } from "@platformatic/kafka";
import type { Place } from "../../gateway/queue/kafka/cluster.ts";
import { freePorts } from "../ports.ts";
import { javaArgs, runJava, type WitnessedRecord, witnessed } from "./java.ts";

export interface TopicWish {
  readonly partitions?: number;
  /** As Kafka names them, such as `cleanup.policy`. */
  readonly configs?: Readonly<Record<string, string>>;
}

export interface Brokers {
  /** `host:port`, comma-separated. */
  readonly bootstrap: string;
  readonly nodes: number;
  /** Starts a node that does not run, at its old port and on its old data; resolves once the cluster counts it in. */
  start(node: number): Promise<void>;
  /** Ends a node by a signal and waits until it is gone. */
  kill(node: number, signal?: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Stops a node where it stands, as a machine that hangs would. */
  pause(node: number): void;
  resume(node: number): void;
  createTopic(name: string, wish?: TopicWish): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  /** Removes the beginning of a partition, as retention does. */
  deleteBefore(place: Place, offset: number): Promise<void>;
  /** Committed records as Kafka's own consumer reads them. */
  witnessed(topic: string): Promise<WitnessedRecord[]>;
  log(node: number): string;
  /** The folder that holds a node's partitions, for tests that damage them. */
  dataFolder(node: number): string;
  stop(): Promise<void>;
}

const startWithinMs = 60_000;

/**
 * Starts one broker, or three with replicas on each.
 * @param settings more of a broker's properties, for all nodes; `listeners` come beside the nodes' own
 */
export async function startBrokers(nodes: 1 | 3, settings: Readonly<Record<string, string>> = {}): Promise<Brokers> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-kafka-"));
  const ports = await freePorts(nodes * 2);
  const ids = Array.from({ length: nodes }, (_, index) => index + 1);
  const bootstrap = ids.map((id) => `127.0.0.1:${ports[id - 1]}`).join(",");
  const voters = ids.map((id) => `${id}@127.0.0.1:${ports[nodes + id - 1]}`).join(",");
  // Another one for each cluster; a leading hyphen would be taken for an option.
  const clusterId = `H${randomBytes(16).toString("base64url").slice(1)}`;
  const children = new Map<number, ChildProcess>();
  const admin = new Admin({ clientId: "tests", bootstrapBrokers: bootstrap.split(","), retries: 0 });
  const endAll = () => {
    for (const child of children.values()) child.kill("SIGKILL");
    // They may still write for a moment.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.once("exit", endAll);

  const dataFolder = (node: number) => join(folder, `data-${node}`);
  const configFile = (node: number) => join(folder, `${node}.properties`);
  const logFile = (node: number) => join(folder, `${node}.log`);

  async function format(node: number): Promise<void> {
    const own = {
      "node.id": String(node),
      "log.dirs": dataFolder(node),
      "controller.quorum.voters": voters,
    };
    const addresses = [
      `PLAINTEXT://127.0.0.1:${ports[node - 1]}`,
      `CONTROLLER://127.0.0.1:${ports[nodes + node - 1]}`,
      ...(settings.listeners === undefined ? [] : [settings.listeners]),
    ];
    const all = { ...common(nodes), ...own, ...settings, listeners: addresses.join(",") };
    writeFileSync(
      configFile(node),
      Object.entries(all)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    await runJava("kafka.tools.StorageTool", ["format", "-t", clusterId, "-c", configFile(node)]);
  }

  function launch(node: number): void {
    const log = openSync(logFile(node), "a");
    const child = spawn("java", javaArgs("kafka.Kafka", [configFile(node)], 256), {
      stdio: ["ignore", log, log],
      // A group of its own: Ctrl-C at a terminal ends the parent, which then ends its brokers last.
      detached: true,
    });
    closeSync(log);
    children.set(node, child);
  }

  /** An open port is not readiness: a broker first registers, and refuses topics until it is unfenced. */
  async function counted(wanted: readonly number[]): Promise<void> {
    const until = performance.now() + startWithinMs;
    for (;;) {
      const seen = await admin.metadata({ topics: [], forceUpdate: true }).catch(() => undefined);
      if (wanted.every((node) => seen?.brokers.has(node))) return;
      const dead = wanted.find((node) => children.get(node)?.exitCode !== null);
      if (dead !== undefined || performance.now() > until) {
        throw new Error(`broker ${dead ?? wanted} does not start:\n${readFileSync(logFile(dead ?? 1), "utf8")}`);
      }
      await wait(100);
    }
  }

  async function kill(node: number, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = children.get(node);
    if (child === undefined) return;
    children.delete(node);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await gone;
  }

  async function stop(): Promise<void> {
    process.removeListener("exit", endAll);
    await admin.close().catch(() => {});
    await Promise.all(ids.map((node) => kill(node)));
    rmSync(folder, { recursive: true, force: true });
  }

  try {
    await Promise.all(ids.map(format));
    for (const node of ids) launch(node);
    await counted(ids);
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    bootstrap,
    nodes,
    kill,
    stop,
    dataFolder,
    async start(node) {
      launch(node);
      await counted([node]);
    },
    pause: (node) => void children.get(node)?.kill("SIGSTOP"),
    resume: (node) => void children.get(node)?.kill("SIGCONT"),
    async createTopic(name, { partitions = 1, configs = {} } = {}) {
      const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
      await admin.createTopics({ topics: [name], partitions, replicas: nodes, configs: entries });
    },
    async deleteTopic(name) {
      await admin.deleteTopics({ topics: [name] });
    },
    async deleteBefore({ topic, partition }, offset) {
      await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition, offset: BigInt(offset) }] }] });
    },
    witnessed: (topic) => witnessed(bootstrap, topic),
    log: (node) => readFileSync(logFile(node), "utf8"),
  };
}

/** Short sessions and few internal partitions: a kill is noticed within 3 s, and a start takes seconds. */
function common(nodes: number): Record<string, string> {
  const replicas = String(nodes);
  const inSync = String(Math.min(nodes, 2));
  return {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    "replica.lag.time.max.ms": "3000",
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": replicas,
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": "16777216",
  };
}
