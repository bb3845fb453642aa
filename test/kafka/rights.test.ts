/** Rights that are taken away while a line works: named with the commands that give them back, and nothing is lost. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { runJava } from "../../demo/kafka/java.ts";
import { until } from "../../demo/waiting.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { comesThrough, loadedLine, said } from "./line-under-test.ts";
import { guest, type Secured, securedBroker } from "./secured.ts";

void describe("the rights of a gateway at work", { skip: clusterMissing() ?? false }, () => {
  let secured: Secured;
  let brokers: Brokers;
  before(async () => {
    secured = await securedBroker();
    brokers = await startBrokers(1, secured.settings);
  });
  after(async () => {
    await brokers.stop();
    secured.remove();
  });

  const acls = (args: readonly string[]) =>
    runJava("org.apache.kafka.tools.AclCommand", ["--bootstrap-server", brokers.bootstrap, ...args]);

  const rightsOf = (namespace: string) => {
    const prefixed = ["--resource-pattern-type", "prefixed"];
    const words = (operations: readonly string[]) => operations.flatMap((operation) => ["--operation", operation]);
    return {
      topics: (...operations: string[]) => [...words(operations), "--topic", `${namespace}.`, ...prefixed],
      transactions: (...operations: string[]) => [
        ...[...words(operations), "--transactional-id", `${namespace}-`],
        ...prefixed,
      ],
    };
  };

  /** A line whose gateway logs in as somebody who has the rights of the page, and no more. */
  async function lineOfGuest(t: TestContext) {
    const namespace = `n${randomBytes(4).toString("hex")}`;
    const rights = rightsOf(namespace);
    const give = ["--add", "--allow-principal", `User:${guest}`];
    await acls([...give, ...rights.topics("Describe", "DescribeConfigs", "Read", "Write")]);
    await acls([...give, ...rights.transactions("Describe", "Write")]);
    await acls([...give, "--operation", "Describe", "--group", "holdfast-reader"]);
    const kafka = {
      brokers: [secured.login],
      tls: { ca: secured.file("ca.pem") },
      sasl: { mechanism: "PLAIN", username: guest, passwordFile: secured.file("password") },
    };
    const { line, load } = await loadedLine(t, brokers, { namespace, kafka });
    const take = (right: readonly string[]) =>
      acls(["--remove", "--force", "--allow-principal", `User:${guest}`, ...right]);
    return { line, load, rights, take };
  }

  /** Runs what the gateway says, as an administrator who comes in by another way. */
  async function mend(text: string): Promise<number> {
    const commands = text.match(/kafka-acls\.sh --bootstrap-server [^;)"]+/g) ?? [];
    for (const command of commands) {
      const [, , , ...args] = command.trim().split(" ");
      await acls(args.filter((arg) => arg !== "--command-config" && arg !== "admin.properties"));
    }
    return commands.length;
  }

  async function takenAndGivenBack(t: TestContext, kind: "topics" | "transactions", missing: RegExp): Promise<void> {
    const { line, load, rights, take } = await lineOfGuest(t);
    const from = line.gatewayLog().length;
    await take(rights[kind]("Write"));
    const named = async (): Promise<string | undefined> => {
      const { trouble } = await line.gateway.status();
      return trouble !== null && missing.test(trouble) ? trouble : undefined;
    };
    const trouble = await until("the status names what is missing", named, 60_000);
    await said(line, missing, from);
    await line.accepted(1_000);
    assert.notEqual((await line.gateway.status()).forwarder, "stopped");
    assert.ok((await mend(trouble)) > 0, trouble);
    await line.forwarded(1_000, 90_000);
    await comesThrough(line, load);
  }

  void it("I5: the right to write topics is taken away under load, named, and given back", (t) =>
    takenAndGivenBack(t, "topics", /\.positions does not give this gateway the right to Write.*\.readings does not/s));

  void it("I5: the right to write in transactions is taken away under load, named, and given back", (t) =>
    takenAndGivenBack(
      t,
      "transactions",
      /the transactional ids n\w+-\* do not give this gateway the right to Write.*kafka-acls\.sh/s,
    ));
});
