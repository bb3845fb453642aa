/** Getting in to real servers: passwords, NKeys, credentials, TLS; and what is said where a gateway does not get in. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { nkeys } from "@nats-io/transport-node";
import { generate } from "selfsigned";
import { type NatsCluster, type NatsOptions, startNats } from "../../demo/nats/cluster.ts";
import { gatewayUser, natsMissing } from "../../demo/nats/server.ts";
import { connectNats } from "../../gateway/journal/jetstream/nats/link.ts";
import type { NatsLogin, NatsSettings } from "../../gateway/journal/jetstream/nats/settings.ts";
import { StreamTrouble, type StreamTroubleKind } from "../../gateway/journal/jetstream/stream.ts";
import { storedAt, text } from "../contract/journal-stream.ts";
import { connect, connectSystem, env, loginFor, newJournal, secretFile } from "./cluster-under-test.ts";

const missing = natsMissing();

void describe("a connection to real NATS servers", { skip: missing ?? false, concurrency: 2 }, () => {
  async function started(t: TestContext, options: NatsOptions = {}): Promise<NatsCluster> {
    const cluster = await startNats(1, options);
    t.after(() => cluster.stop());
    return cluster;
  }

  const isTrouble = (kind: StreamTroubleKind) => (error: unknown) => {
    assert.ok(error instanceof StreamTrouble, String(error));
    assert.equal(error.kind, kind, error.message);
    return true;
  };
  async function getsIn(t: TestContext, cluster: NatsCluster, more: Partial<NatsSettings>): Promise<void> {
    const link = await connect(t, cluster, more);
    assert.ok(link.payloadBytesMax > 0);
  }

  async function isRefused(t: TestContext, cluster: NatsCluster, more: Partial<NatsSettings>): Promise<void> {
    await assert.rejects(connect(t, cluster, more), isTrouble("refused"));
  }

  test("a password lets in; a wrong one, none, and an unknown user are refused", async (t) => {
    const cluster = await started(t);
    await getsIn(t, cluster, { login: loginFor(t, gatewayUser) });
    await isRefused(t, cluster, { login: loginFor(t, { ...gatewayUser, password: "wrong" }) });
    await isRefused(t, cluster, { login: loginFor(t, { user: "nobody", password: "wrong" }) });
    await isRefused(t, cluster, { login: null });
    const login: NatsLogin = { user: "gateway", passwordFile: join(cluster.dataFolder(1), "none") };
    await assert.rejects(connect(t, cluster, { login }), { name: "Fault", code: "config" });
  });

  test("where no server is, nobody answers, and that is no refusal", async (t) => {
    const cluster = await started(t);
    const [address] = cluster.addresses;
    await cluster.kill(1);
    await assert.rejects(connect(t, cluster, { answerMs: 500 }), isTrouble("away"));
    assert.ok(address !== undefined);
  });

  test("an NKey lets in, and another one does not", async (t) => {
    const [user, other] = [nkeys.createUser(), nkeys.createUser()];
    const accounts = `accounts { A { users: [{ nkey: "${user.getPublicKey()}" }] } }`;
    const cluster = await started(t, { accounts });
    const seed = (key: typeof user) => ({ nkeyFile: secretFile(t, `${Buffer.from(key.getSeed()).toString()}\n`) });
    await getsIn(t, cluster, { login: seed(user) });
    await isRefused(t, cluster, { login: seed(other) });
  });

  test("credentials let in whom the operator's account knows, and nobody else", async (t) => {
    const [operator, system, account, user, stranger] = [
      nkeys.createOperator(),
      nkeys.createAccount(),
      nkeys.createAccount(),
      nkeys.createUser(),
      nkeys.createAccount(),
    ];
    const known = [system, account].map(
      (one) => `${one.getPublicKey()}: ${token(operator, one, { type: "account", limits })}`,
    );
    const accounts = `operator: ${token(operator, operator, { type: "operator" })}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: { ${known.join("\n")} }`;
    const cluster = await started(t, { accounts });
    const creds = (issuer: typeof account) => {
      const jwt = token(issuer, user, { type: "user", ...userLimits });
      const seed = Buffer.from(user.getSeed()).toString();
      const parts = [
        ["NATS USER JWT", jwt],
        ["USER NKEY SEED", seed],
      ];
      return {
        credsFile: secretFile(
          t,
          parts.map(([name, body]) => `-----BEGIN ${name}-----\n${body}\n------END ${name}------\n`).join("\n"),
        ),
      };
    };
    await getsIn(t, cluster, { login: creds(account) });
    await isRefused(t, cluster, { login: creds(stranger) });
    await isRefused(t, cluster, { login: { credsFile: secretFile(t, "no credentials") } });
    await isRefused(t, cluster, { login: { nkeyFile: secretFile(t, "no seed") } });
  });

  test("TLS with a certificate of both sides; no trust, no certificate and no TLS are refused", async (t) => {
    const authority = await generate([{ name: "commonName", value: "test authority" }], {
      ...kind,
      extensions: [{ name: "basicConstraints", cA: true, critical: true }],
    });
    const signed = async (name: string, ip: string) =>
      await generate([{ name: "commonName", value: name }], {
        ...kind,
        ca: { key: authority.private, cert: authority.cert },
        extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip }] }],
      });
    const file = (words: string) => secretFile(t, words);
    const [server, client, elsewhere] = [
      await signed("server", "127.0.0.1"),
      await signed("gateway", "127.0.0.1"),
      await signed("server", "127.0.0.9"),
    ];
    const caFile = file(authority.cert);
    const tlsLines = (own: typeof server) =>
      `tls { cert_file: "${file(own.cert)}", key_file: "${file(own.private)}", ca_file: "${caFile}", verify: true }`;
    const own = { certFile: file(client.cert), keyFile: file(client.private) };
    const cluster = await started(t, { more: tlsLines(server) });
    await getsIn(t, cluster, { tls: { caFile, client: own } });
    await isRefused(t, cluster, { tls: { caFile: null, client: own } });
    await isRefused(t, cluster, { tls: null });
    // In TLS 1.3 the server looks at it after the client is done, and then only hangs up.
    await assert.rejects(connect(t, cluster, { tls: { caFile, client: null }, answerMs: 500 }), isTrouble("away"));
    const other = await started(t, { more: tlsLines(elsewhere) });
    await isRefused(t, other, { tls: { caFile, client: own } });
    // Whoever answers in clear in the server's place learns no password.
    await isRefused(t, await started(t), { tls: { caFile, client: null } });
  });

  test("what a login has no right to is refused, and does not look like a server that is away", async (t) => {
    const cluster = await started(t);
    const system = await connectSystem(t, cluster);
    await assert.rejects(newJournal(system), isTrouble("refused"));
  });

  test("while no server is there a call says so at once, and the link comes back by itself", async (t) => {
    const cluster = await started(t);
    const link = await connect(t, cluster);
    const { stream } = await newJournal(link, { replicas: 1 });
    const seq = storedAt(await stream.publish("3.a", 0, text("before")));
    await cluster.kill(1);
    const trouble = async () => {
      try {
        return (await stream.publish("3.a", seq, text("during"))).outcome;
      } catch (error) {
        return (error as StreamTrouble).kind;
      }
    };
    while ((await trouble()) === "unsure") assert.ok(true);
    assert.equal(await trouble(), "away");
    // Whoever asks without a pause does not keep everything else from happening.
    let isTurn = false;
    setTimeout(() => (isTurn = true), 1);
    while (!isTurn) await assert.rejects(stream.newest("3.a"), isTrouble("away"));
    await assert.rejects(stream.read("3.", 1, { messagesMax: 1, bytesMax: 1, waitMs: 1 }), isTrouble("away"));
    await cluster.start(1);
    while ((await trouble()) === "away") await new Promise((resolve) => setTimeout(resolve, 50));
    const words = (await stream.read("3.", 1, { messagesMax: 9, bytesMax: 9_999, waitMs: 500 })).map(({ bytes }) =>
      Buffer.from(bytes).toString(),
    );
    assert.deepEqual(words, ["before", "during"]);
    await link.close();
    await assert.rejects(stream.newest("3.a"), isTrouble("away"));
  });

  test("a name that nobody answers to is away", async () => {
    const settings = { servers: ["holdfast.invalid:4222"], name: "test", login: null, tls: null, answerMs: 500 };
    await assert.rejects(connectNats(settings, env), isTrouble("away"));
  });
});

const kind = { keyType: "ec", algorithm: "sha256" } as const;
const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
const userLimits = { pub: {}, sub: {}, subs: -1, data: -1, payload: -1 };

type Key = ReturnType<typeof nkeys.createUser>;

/** A JWT as NATS has them. */
function token(issuer: Key, subject: Key, nats: Record<string, unknown>): string {
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    jti: "test",
    iat: 1_700_000_000,
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: "test",
  };
  const head = encoded({ typ: "JWT", alg: "ed25519-nkey" });
  const body = encoded({ ...claims, nats: { ...nats, version: 2 } });
  return `${head}.${body}.${Buffer.from(issuer.sign(Buffer.from(`${head}.${body}`))).toString("base64url")}`;
}
