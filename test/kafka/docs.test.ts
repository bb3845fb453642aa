/** The commands and programs of docs/integrate/kafka.md, word by word, on a real broker in place of the page's. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { javaArgs } from "../../demo/kafka/java.ts";
import { until } from "../../demo/waiting.ts";
import { openAdmin } from "../../gateway/queue/kafka/client/admin.ts";
import { connectCluster } from "../../gateway/queue/kafka/client/client.ts";
import { readSecurity } from "../../gateway/queue/kafka/client/security.ts";
import { inspectTopics, prepareTopics } from "../../gateway/queue/kafka/topics/topics.ts";
import { realEnv } from "../../shared/env.ts";
import { kafkaSettings } from "../fakes/kafka-admin.ts";
import { blocksIn, pageText, sectionOf } from "../fakes/pages.ts";
import { openTerminal, place, type Terminal } from "../fakes/terminals.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { guest, type Secured, securedBroker } from "./secured.ts";

const page = pageText("docs/integrate/kafka.md");
const pageBroker = "kafka-1.example:9092";
/** The classes behind Kafka's scripts. */
const tools = {
  "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
  "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
};

describe("docs/integrate/kafka.md", { skip: clusterMissing() ?? false }, () => {
  let secured: Secured;
  let brokers: Brokers;
  let folder: string;
  before(async () => {
    secured = await securedBroker();
    brokers = await startBrokers(1, secured.settings);
    folder = mkdtempSync(join(tmpdir(), "holdfast-kafka-page-"));
  });
  after(async () => {
    await brokers.stop();
    secured.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A terminal's environment in which all programs of the page are found. */
  function environmentOf(settings: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const bin = mkdtempSync(join(folder, "bin-"));
    for (const program of ["holdfast-agent", "holdfast-gateway"]) {
      symlinkSync(fileURLToPath(new URL(`../../bin/${program}.js`, import.meta.url)), join(bin, program));
    }
    for (const [name, main] of Object.entries(tools)) {
      const args = javaArgs(main, []).map((arg) => `'${arg}'`);
      writeFileSync(join(bin, name), `#!/bin/sh\nexec java ${args.join(" ")} "$@"\n`);
      chmodSync(join(bin, name), 0o755);
    }
    return { ...process.env, ...settings, PATH: `${bin}${delimiter}${process.env.PATH}` };
  }

  /** What the page says, for this broker, and without waiting as long as a person may have to. */
  const here = (text: string): string =>
    text
      .replaceAll(pageBroker, brokers.bootstrap)
      .replace("--timeout-ms 10000", "--timeout-ms 3000")
      .replace("poll(10)", "poll(4)")
      .replaceAll("ofSeconds(10)", "ofSeconds(4)");

  it("gives a gateway all its rights by the commands of the page", async (t) => {
    const [commands = ""] = blocksIn(sectionOf(page, "Rights"), "sh");
    // The plain listener takes whoever comes for an administrator.
    const script = here(commands)
      .replaceAll(" --command-config admin.properties", "")
      .replaceAll("User:holdfast", `User:${guest}`);
    const { status, stderr, stdout } = spawnSync("bash", ["-e", "-c", script], {
      env: environmentOf(),
      encoding: "utf8",
    });
    assert.equal(status, 0, stdout + stderr);
    const login = { mechanism: "PLAIN", username: guest, passwordFile: secured.file("password") } as const;
    const tls = { caFile: secured.file("ca.pem"), client: null };
    const settings = { ...kafkaSettings, brokers: [secured.login], replication: 1, security: { tls, login } };
    const security = readSecurity(settings.security, {}, realEnv());
    const common = { brokers: settings.brokers, clientId: "test", answerMs: 5_000 };
    const admin = await openAdmin({ ...common, security: security.second });
    t.after(() => admin.close());
    await prepareTopics(admin, settings);
    const { findings } = await inspectTopics(admin, settings);
    assert.deepEqual(
      findings.filter(({ what }) => !what.includes("one copy")),
      [],
    );
    const nowMs = () => performance.now();
    const cluster = await connectCluster({ ...common, security, properties: {}, patienceMs: 5_000, nowMs });
    t.after(() => cluster.close());
    const producer = cluster.producer(`${settings.namespace}-0`);
    t.after(() => producer.close());
    await producer.init();
  });

  it("leads from nothing to a reading in Kafka, which every consumer of the page finds", {
    timeout: 180_000,
  }, async (t) => {
    const home = join(folder, "home");
    mkdirSync(home);
    const environment = environmentOf({
      // One broker stands for three here, and nobody cuts its power.
      HOLDFAST_GATEWAY_QUEUE_KAFKA_REPLICATION: "1",
      HOLDFAST_GATEWAY_QUEUE_KAFKA_SETTLE: "500ms",
    });
    const moved = await place(environment);
    const terminals: Terminal[] = [];
    t.after(() => Promise.all(terminals.map((terminal) => terminal.close())));
    for (const heading of ["2. The configuration", "3. Run it"]) {
      for (const block of blocksIn(sectionOf(page, heading), "sh")) {
        terminals.push(await runBlock(moved(here(block)), home, environment));
      }
    }
    const said = terminals.map((terminal) => terminal.text()).join("\n");
    assert.match(said, /^the cluster \S+, 1 broker: 0 faults, /m);
    assert.match(said, /HTTP\/1\.1 204 No Content/);
    assert.match(said, /^\{"kind":"reading","agent":"pump-1".*"name":"temperature".*"value":21\.5/m);

    const reading = sectionOf(page, "Read it");
    await t.test("kcat", { skip: absent("kcat", ["-V"]) }, async () => {
      const [command = ""] = blocksIn(reading, "sh");
      const terminal = await runBlock(here(command), home, environment);
      assert.match(terminal.text(), /^pump-1\/temperature \{.*"value":21\.5/m);
    });
    await t.test("Python", { skip: absent("python3", ["-c", "import confluent_kafka"]) }, (step) => {
      const script = file(home, "copy.py", here(blocksIn(reading, "python")[0] ?? ""));
      for (let round = 0; round < 2; round++) run(step, "python3", [script, brokers.bootstrap, join(home, "copy.db")]);
      const query = "SELECT agent, name, value, count(*) FROM readings WHERE name = 'temperature'";
      const show = `import sqlite3, sys\nprint(*sqlite3.connect(sys.argv[1]).execute("${query}").fetchone())`;
      assert.equal(run(step, "python3", ["-c", show, join(home, "copy.db")]), "pump-1 temperature 21.5 1\n");
    });
    await t.test("Java", { skip: absent("javac", ["-version"]) }, (step) => {
      const source = file(home, "Reader.java", here(blocksIn(reading, "java")[0] ?? ""));
      assert.match(run(step, "java", javaArgs(source, [brokers.bootstrap])), /^pump-1\/temperature \{.*"value":21\.5/m);
    });
  });
});

/** Runs a block to its end, or until a program that goes on says that it runs. */
async function runBlock(script: string, cwd: string, environment: NodeJS.ProcessEnv): Promise<Terminal> {
  const lines = script.trimEnd().split("\n");
  const goesOn = lines.at(-1)?.endsWith(" run") === true;
  // A reading needs a moment to get there, so what looks for it looks again, as a person would.
  const as = (line: string): string => (line.includes("| grep ") ? `until ${line}; do sleep 0.2; done` : line);
  const terminal = openTerminal(lines.map(as).join("\n"), cwd, environment);
  const isDone = (): boolean =>
    !terminal.isOpen() || (goesOn && /"msg":"the (agent|gateway) runs"/.test(terminal.text()));
  await until("a block of the page is done", isDone, 60_000).catch(async (error: Error) => {
    await terminal.close();
    assert.fail(`${error.message}:\n${script}\n${terminal.text()}`);
  });
  if (goesOn) assert.ok(terminal.isOpen(), `this ended at once:\n${script}\n${terminal.text()}`);
  else assert.equal(terminal.child.exitCode, 0, `this failed:\n${script}\n${terminal.text()}`);
  return terminal;
}

function absent(program: string, args: readonly string[]): string | false {
  const { status } = spawnSync(program, args);
  return status === 0 ? false : `${[program, ...args].join(" ")} does not work here`;
}

function file(folder: string, name: string, text: string): string {
  assert.notEqual(text, "", `the page has what goes into ${name}`);
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

function run(t: TestContext, program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", signal: t.signal });
  assert.equal(status, 0, stderr);
  return stdout;
}
