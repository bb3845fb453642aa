/** Java, the jars of Kafka (packaging/kafka-jars.sh) and its own console consumer: a witness that shares no code with us. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const jarsFolder =
  process.env.HOLDFAST_KAFKA_JARS ?? fileURLToPath(new URL("../../.cache/kafka/libs", import.meta.url));

/** Why no broker can run here, for a test to skip with; undefined where one can. */
export function brokersMissing(): string | undefined {
  if (spawnSync("java", ["-version"]).status !== 0) return "there is no Java here, which a Kafka broker needs";
  if (!existsSync(jarsFolder) || globSync("kafka_*.jar", { cwd: jarsFolder }).length === 0) {
    return `there are no Kafka jars in ${jarsFolder}: packaging/kafka-jars.sh fetches them`;
  }
  return undefined;
}

/** Arguments for `java` that run `main` of the jars; small, since several brokers and a test share two cores. */
export function javaArgs(main: string, args: readonly string[], heapMb = 128): string[] {
  const machine = [`-Xmx${heapMb}m`, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
  const log = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"];
  return [...machine, ...log, "-cp", join(jarsFolder, "*"), main, ...args];
}

/** Runs `main` to its end. */
export function runJava(main: string, args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)("java", javaArgs(main, args), { maxBuffer: 1 << 30 });
}

/** A record as Kafka's console consumer prints it. */
export interface WitnessedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Null where the record has no key. */
  readonly key: string | null;
  readonly value: string | null;
}

// Control characters, which no text of a test holds.
const between = "\u001f";
const betweenHeaders = "\u001e";
const nothing = "\u001d";

/**
 * All committed records of a topic, by partition and offset, as Kafka's own consumer reads them.
 * @param idleMs how long nothing may come until the topic counts as read: Kafka's tool knows no other end
 */
export async function witnessed(bootstrap: string, topic: string, idleMs = 3_000): Promise<WitnessedRecord[]> {
  const { stdout } = await runJava(consumer, consumerArgs(bootstrap, topic, idleMs));
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map(parsed)
    .sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** As `witnessed`, but one by one, for topics that fill no string: in order within each partition only. */
export async function witness(
  bootstrap: string,
  topic: string,
  take: (record: WitnessedRecord) => void,
  idleMs = 3_000,
): Promise<void> {
  const args = javaArgs(consumer, consumerArgs(bootstrap, topic, idleMs));
  const child = spawn("java", args, { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("exit", resolve));
  for await (const line of createInterface({ input: child.stdout })) take(parsed(line));
  const code = await ended;
  if (code !== 0) throw new Error(`Kafka's consumer ended with ${code}`);
}

const consumer = "org.apache.kafka.tools.consumer.ConsoleConsumer";

function consumerArgs(bootstrap: string, topic: string, idleMs: number): string[] {
  const shown = ["timestamp", "partition", "offset", "headers", "key", "value"].map((part) => `print.${part}=true`);
  const marks = [`key.separator=${between}`, `headers.separator=${betweenHeaders}`, `null.literal=${nothing}`];
  return [
    ...["--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning", "--timeout-ms", String(idleMs)],
    ...["--isolation-level", "read_committed", "--formatter-property", "print.epoch=false"],
    ...[...shown, ...marks].flatMap((property) => ["--formatter-property", property]),
  ];
}

function parsed(line: string): WitnessedRecord {
  const [time = "", partition = "", offset = "", headers = "", key = "", value = ""] = line.split(between);
  const number = (text: string) => Number(text.slice(text.indexOf(":") + 1));
  return {
    partition: number(partition),
    offset: number(offset),
    timestampMs: number(time),
    headers:
      headers === "NO_HEADERS"
        ? []
        : headers.split(betweenHeaders).map((header) => {
            const colon = header.indexOf(":");
            return [header.slice(0, colon), header.slice(colon + 1)] as const;
          }),
    key: key === nothing ? null : key,
    value: value === nothing ? null : value,
  };
}
