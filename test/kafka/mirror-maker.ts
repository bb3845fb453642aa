/**
 * A real MirrorMaker 2 that copies one cluster's topics to another, set up as docs/integrate/kafka-mirror.md says; it can be
 * killed without warning and started again.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Brokers } from "../../demo/kafka/brokers.ts";
import { javaArgs } from "../../demo/kafka/java.ts";
import { freePorts } from "../../demo/ports.ts";

export interface MirrorMaker {
  start(): void;
  /** Ends it and waits until it is gone; SIGTERM lets it commit what it has copied. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  log(): string;
}

export interface Copying {
  readonly from: Brokers;
  readonly to: Brokers;
  /** A regular expression of the topics to copy. */
  readonly topics: string;
  /** The clusters of the page change their places: B is copied to A. */
  readonly isBack?: boolean;
}

/** Sets it up, and starts nothing. */
export async function layMirrorMaker(folder: string, { from, to, topics, isBack }: Copying): Promise<MirrorMaker> {
  const [port] = await freePorts(1);
  const configFile = join(folder, "mirror-maker.properties");
  const logFile = join(folder, "mirror-maker.log");
  const settings = { ...documented(), ...quick, "A->B.topics": topics };
  const lines = Object.entries({ ...settings, listeners: `http://127.0.0.1:${port}` });
  const text = lines.map(([name, value]) => `${name}=${value}\n`).join("");
  const [a, b] = isBack === true ? [to, from] : [from, to];
  const addresses = [`A.bootstrap.servers=${a.bootstrap}`, `B.bootstrap.servers=${b.bootstrap}`, ""].join("\n");
  writeFileSync(configFile, (isBack === true ? exchanged(text) : text) + addresses);
  let child: ChildProcess | undefined;

  return {
    start() {
      const log = openSync(logFile, "a");
      const args = javaArgs("org.apache.kafka.connect.mirror.MirrorMaker", [configFile], 256);
      child = spawn("java", args, { stdio: ["ignore", log, log] });
      closeSync(log);
    },
    async end(signal) {
      const ended = child;
      child = undefined;
      if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
      const gone = new Promise((resolve) => ended.once("exit", resolve));
      ended.kill(signal);
      await gone;
    },
    log: () => (existsSync(logFile) ? readFileSync(logFile, "utf8") : ""),
  };
}

function exchanged(properties: string): string {
  return properties.replace(/\b[AB]\b/g, (name) => (name === "A" ? "B" : "A"));
}

/** One broker each, and a test that does not wait for what a site would not notice. */
const quick: Readonly<Record<string, string>> = {
  "replication.factor": "1",
  "offset-syncs.topic.replication.factor": "1",
  "A.offset.storage.replication.factor": "1",
  "A.status.storage.replication.factor": "1",
  "A.config.storage.replication.factor": "1",
  "B.offset.storage.replication.factor": "1",
  "B.status.storage.replication.factor": "1",
  "B.config.storage.replication.factor": "1",
  "refresh.topics.interval.seconds": "2",
};

/** The properties of the page, so that what is documented is what is tried. */
function documented(): Record<string, string> {
  const page = readFileSync(new URL("../../docs/integrate/kafka-mirror.md", import.meta.url), "utf8");
  const [, block = ""] = /^```properties\n(.*?)^```/ms.exec(page) ?? [];
  const settings = [...block.matchAll(/^([^#\s]+) = (.*)$/gm)].map(([, name = "", value = ""]) => [name, value]);
  return Object.fromEntries(settings.filter(([name]) => !name?.endsWith("bootstrap.servers")));
}
