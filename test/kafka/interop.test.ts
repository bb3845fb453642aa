/** Ordinary consumers share the topic in a group: Kafka's console consumer and kcat, which have no code of ours or of each other. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { javaArgs } from "../../demo/kafka/java.ts";
import { until } from "../../demo/waiting.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { comesThrough, lineOn } from "./line-under-test.ts";

const missing = clusterMissing() ?? (spawnSync("kcat", ["-V"]).status === 0 ? false : "there is no kcat here");
const group = "dashboards";

interface Member {
  /** `partition offset` of each record that it was given, in that order. */
  readonly taken: readonly string[];
  /** What it says beside records. */
  said(): string;
}

void describe("a consumer group on the topic of the readings", { skip: missing }, () => {
  let brokers: Brokers;
  before(async () => {
    brokers = await startBrokers(1);
  });
  after(() => brokers.stop());

  function kcat(t: TestContext, topic: string): Member {
    const settings = ["isolation.level=read_committed", "auto.offset.reset=earliest"].flatMap((one) => ["-X", one]);
    // Unbuffered, or the last records would wait for more.
    return memberOf(t, "kcat", ["-u", "-b", brokers.bootstrap, ...settings, "-f", "%p %o\n", "-G", group, topic]);
  }

  function consoleConsumer(t: TestContext, topic: string): Member {
    const shown = ["partition", "offset"].map((part) => `print.${part}=true`);
    const args = [
      ...["--bootstrap-server", brokers.bootstrap, "--topic", topic, "--group", group, "--from-beginning"],
      ...["--isolation-level", "read_committed"],
      ...[...shown, "print.value=false"].flatMap((property) => ["--formatter-property", property]),
    ];
    return memberOf(t, "java", javaArgs("org.apache.kafka.tools.consumer.ConsoleConsumer", args));
  }

  void it("I5: each record is given to one of two members once, while the gateway is killed under load", async (t) => {
    const line = await lineOn(t, brokers);
    const { readings } = line.topics;
    const members = [kcat(t, readings), consoleConsumer(t, readings)] as const;
    // Of three partitions the second one has taken at least one.
    const isShared = (): boolean => /assigned: [^[]*\[\d+\](, [^[]*\[\d+\])?\n/.test(members[0].said());
    await until("both are members", isShared, 60_000);
    await line.start();
    const load = line.produce();
    for (let round = 0; round < 3; round++) {
      await line.forwarded(500);
      await line.gateway.kill();
      await line.gateway.start();
    }
    await line.forwarded(500);
    const audit = await comesThrough(line, load);
    const there = (await brokers.witnessed(readings)).map(({ partition, offset }) => `${partition} ${offset}`);
    assert.ok(there.length >= audit.acknowledged);
    const all = (): string[] => members.flatMap(({ taken }) => taken);
    await until("all is taken", () => all().length >= there.length, 30_000);
    assert.deepEqual(all().sort(), there.sort());
    assert.ok(members.every(({ taken }) => taken.length > 0));
  });
});

function memberOf(t: TestContext, program: string, args: readonly string[]): Member {
  const child: ChildProcess = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  const taken: string[] = [];
  let rest = "";
  let said = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    const lines = (rest + bytes).split("\n");
    rest = lines.pop() ?? "";
    // The console consumer writes `Partition:0\tOffset:1`.
    taken.push(...lines.map((text) => (text.match(/\d+/g) ?? []).join(" ")));
  });
  child.stderr?.on("data", (bytes: Buffer) => {
    said += bytes;
  });
  return { taken, said: () => said };
}
