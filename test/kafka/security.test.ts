/** Logins, TLS and rights on a real broker: both clients get in alike, and what is missing is named with its command. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, type TestContext, test } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { runJava } from "../../demo/kafka/java.ts";
import { openAdmin } from "../../gateway/queue/kafka/client/admin.ts";
import { connectCluster } from "../../gateway/queue/kafka/client/client.ts";
import { readSecurity, type Security } from "../../gateway/queue/kafka/client/security.ts";
import type { KafkaCluster } from "../../gateway/queue/kafka/cluster.ts";
import type { KafkaSettings, LoginSettings, SecuritySettings } from "../../gateway/queue/kafka/settings.ts";
import { inspectTopics, prepareTopics } from "../../gateway/queue/kafka/topics/topics.ts";
import { realEnv } from "../../shared/env.ts";
import { kafkaSettings } from "../fakes/kafka-admin.ts";
import { clusterMissing, readAll, recordAt, textsOf, untilSettled } from "./cluster-under-test.ts";
import { addScramUser, guest, password, type Secured, securedBroker, username } from "./secured.ts";

const clientId = "test";
const answerMs = 2_500;

describe("a broker with logins, TLS and rights", { skip: clusterMissing() ?? false }, () => {
  let secured: Secured;
  let brokers: Brokers;
  before(async () => {
    secured = await securedBroker();
    brokers = await startBrokers(1, secured.settings);
    await addScramUser(brokers.bootstrap);
  });
  after(async () => {
    await brokers.stop();
    secured.remove();
  });

  const trusted = () => ({ caFile: secured.file("ca.pem"), client: null });
  const securityOf = (settings: SecuritySettings): Security => readSecurity(settings, {}, realEnv());

  async function connect(t: TestContext, broker: string, security: Security): Promise<KafkaCluster> {
    const cluster = await connectCluster({
      ...{ brokers: [broker], clientId, answerMs, security },
      properties: {},
      patienceMs: answerMs,
      nowMs: () => performance.now(),
    });
    t.after(() => cluster.close());
    return cluster;
  }

  /** Everything that a queue does with a cluster: asks, writes and reads. */
  async function useCluster(t: TestContext, broker: string, settings: SecuritySettings): Promise<void> {
    const cluster = await connect(t, broker, securityOf(settings));
    const topic = `t-${randomBytes(4).toString("hex")}`;
    await brokers.createTopic(topic);
    assert.ok((await cluster.topics()).has(topic));
    const producer = cluster.producer(topic);
    t.after(() => producer.close());
    await producer.init();
    await producer.send([recordAt({ topic, partition: 0 }, "1")]);
    await untilSettled(() => producer.commit());
    assert.deepEqual(textsOf(await readAll(cluster, { topic, partition: 0 })), ["1"]);
  }

  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
    test(`${mechanism} over TLS`, async (t) => {
      const login: LoginSettings = { mechanism, username, passwordFile: secured.file("password") };
      await useCluster(t, secured.login, { tls: trusted(), login });
    });
  }

  /** An endpoint for tokens, and the login that asks there. */
  async function oauthLogin(t: TestContext, listener: RequestListener): Promise<LoginSettings> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    return {
      mechanism: "OAUTHBEARER",
      tokenEndpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
      clientId: "gateway",
      clientSecretFile: secured.file("password"),
      scope: "kafka",
      caFile: null,
    };
  }

  test("OAUTHBEARER: a token is asked for once, and both clients use it", async (t) => {
    const asked: string[] = [];
    const part = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString("base64url");
    const login = await oauthLogin(t, (request, response) => {
      request.on("data", (body) => asked.push(`${request.headers.authorization} ${body}`));
      request.on("end", () => {
        const nowS = Math.floor(Date.now() / 1000);
        const token = `${part({ alg: "none" })}.${part({ sub: username, iat: nowS, exp: nowS + 600 })}.`;
        response.end(JSON.stringify({ access_token: token, token_type: "bearer", expires_in: 600 }));
      });
    });
    await useCluster(t, secured.login, { tls: trusted(), login });
    const basic = Buffer.from(`gateway:${password}`).toString("base64");
    assert.deepEqual(asked, [`Basic ${basic} grant_type=client_credentials&scope=kafka`]);
  });

  test("an endpoint that gives no token is named by both clients, which ask again", async (t) => {
    const login = await oauthLogin(t, (_, response) => response.writeHead(503).end());
    const cluster = await connect(t, secured.login, securityOf({ tls: trusted(), login }));
    await assert.rejects(cluster.topics(), { name: "ClusterError", message: /answered 503/ });
    await assert.rejects(cluster.producer("x").init(), { name: "ClusterError", message: /answered 503/ });
  });

  test("mutual TLS", async (t) => {
    const client = { certFile: secured.file("client.pem"), keyFile: secured.file("client.key") };
    await useCluster(t, secured.mutual, { tls: { ...trusted(), client }, login: null });
  });

  test("a wrong password and an unknown authority are refused by both clients, and no secret is told", async (t) => {
    const wrong = "not-the-password";
    const passwordFile = secured.file("wrong", wrong);
    const plain: LoginSettings = { mechanism: "PLAIN", username, passwordFile };
    const scram: LoginSettings = { ...plain, mechanism: "SCRAM-SHA-512" };
    const right: LoginSettings = { ...plain, passwordFile: secured.file("password") };
    const cases: [string, SecuritySettings][] = [
      [secured.login, { tls: trusted(), login: plain }],
      [secured.login, { tls: trusted(), login: scram }],
      [secured.login, { tls: { ...trusted(), caFile: null }, login: right }],
      [secured.login, { tls: { ...trusted(), caFile: secured.file("client.pem") }, login: right }],
      [secured.mutual, { tls: trusted(), login: null }],
    ];
    for (const [broker, settings] of cases) {
      const cluster = await connect(t, broker, securityOf(settings));
      const isRefusal = (error: unknown): boolean => {
        const { trouble, message } = error as { trouble?: string; message: string };
        assert.equal(trouble, "refused", `${JSON.stringify(settings)}: ${message}`);
        assert.ok(!message.includes(wrong) && !message.includes(password), message);
        return true;
      };
      // Under TLS 1.3 a broker that wants a certificate says so when the second client counts as connected.
      if (settings.login !== null) await assert.rejects(cluster.topics(), isRefusal);
      await assert.rejects(cluster.producer("x").init(), isRefusal);
    }
  });

  test("each missing right is named, and given by the command that is printed", async (t) => {
    const login: LoginSettings = { mechanism: "PLAIN", username: guest, passwordFile: secured.file("password") };
    const namespace = `n${randomBytes(4).toString("hex")}`;
    const settings: KafkaSettings = {
      ...kafkaSettings,
      // Where the commands go: an administrator's way in.
      brokers: [brokers.bootstrap],
      namespace,
      topic: `${namespace}.readings`,
      lossTopic: null,
      deadLetterTopic: `${namespace}.dead-letters`,
      positionsTopic: `${namespace}.positions`,
      replication: 1,
      security: { tls: trusted(), login },
    };
    const security = securityOf(settings.security);
    const admin = await openAdmin({ brokers: [secured.login], clientId, answerMs, security: security.second });
    t.after(() => admin.close());
    const seen: string[] = [];
    for (let round = 0; round < 4; round++) {
      const faults = (await inspectTopics(admin, settings)).findings.filter(({ severity }) => severity === "fault");
      if (faults.length === 0) break;
      for (const { what, remedy } of faults) {
        seen.push(what.replaceAll(namespace, "n"));
        const command = remedy.replace(" --command-config admin.properties", "").replace(/; or create it.*/, "");
        assert.match(command, /^kafka-acls\.sh /);
        await runJava("org.apache.kafka.tools.AclCommand", command.split(" ").slice(1));
      }
    }
    assert.deepEqual(seen, [
      "the transactional ids n-* do not give this gateway the right to Describe",
      "the group holdfast-reader does not give this gateway the right to Describe",
      "the topic n.positions does not give this gateway the right to Describe",
      "the topic n.readings does not give this gateway the right to Describe",
      "the topic n.dead-letters does not give this gateway the right to Describe",
    ]);
    await prepareTopics(admin, settings);
    const { findings } = await inspectTopics(admin, settings);
    assert.ok(
      findings.every(({ what }) => what.includes("one copy")),
      JSON.stringify(findings),
    );

    const cluster = await connect(t, secured.login, security);
    const producer = cluster.producer(`${namespace}-0`);
    t.after(() => producer.close());
    await producer.init();
    const place = { topic: settings.topic, partition: 0 };
    await producer.send([recordAt(place, "1")]);
    await untilSettled(() => producer.commit());
    assert.deepEqual(textsOf(await readAll(cluster, place)), ["1"]);
  });
});
