/** Secrets come from files, go to the clients alone, and stand in no error. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { readSecurity } from "../../gateway/queue/kafka/client/security.ts";
import { tokenSource } from "../../gateway/queue/kafka/client/token.ts";
import { type Env, realEnv } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-security-"));
after(() => rmSync(folder, { recursive: true }));
const secret = "hush-hush";

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("both clients get the same login, without the line feed behind the password", () => {
  const login = { mechanism: "SCRAM-SHA-256", username: "u", passwordFile: file("pw", `${secret}\n`) } as const;
  const { librdkafka, second } = readSecurity({ tls: null, login }, {}, realEnv());
  assert.deepEqual(librdkafka, {
    "security.protocol": "sasl_plaintext",
    "sasl.mechanism": "SCRAM-SHA-256",
    "sasl.username": "u",
    "sasl.password": secret,
  });
  assert.deepEqual(second, { sasl: { mechanism: "SCRAM-SHA-256", username: "u", password: secret } });
});

test("both clients trust the same authority, show the same certificate and follow the same ciphers", () => {
  const tls = {
    caFile: file("ca.pem", "CA"),
    client: { certFile: file("cert.pem", "CERT"), keyFile: file("key.pem", "KEY") },
  };
  const properties = { "ssl.cipher.suites": "A:B", "ssl.curves.list": "P-256", "linger.ms": 5 };
  const { librdkafka, second } = readSecurity({ tls, login: null }, properties, realEnv());
  assert.deepEqual(librdkafka, {
    "security.protocol": "ssl",
    "ssl.ca.location": tls.caFile,
    "ssl.certificate.pem": "CERT",
    "ssl.key.pem": "KEY",
  });
  assert.deepEqual(second, { tls: { ca: "CA", cert: "CERT", key: "KEY", ciphers: "A:B", ecdhCurve: "P-256" } });
  const trusting = readSecurity({ tls: { caFile: null, client: null }, login: null }, {}, realEnv());
  assert.equal(trusting.librdkafka["ssl.ca.location"], "probe");
  const { ca } = trusting.second.tls ?? {};
  assert.ok(Array.isArray(ca) && ca.length > 10, "who this machine trusts is trusted");
});

test("a file that is missing or empty is named", () => {
  for (const [passwordFile, why] of [
    [join(folder, "none"), /none does not exist/],
    [file("empty", " \n"), /is empty/],
    [folder, /EISDIR/],
  ] as const) {
    const login = { mechanism: "PLAIN", username: "u", passwordFile } as const;
    assert.throws(
      () => readSecurity({ tls: null, login }, {}, realEnv()),
      (error: unknown) => error instanceof Fault && error.code === "config" && why.test(error.why ?? ""),
    );
  }
});

/** Tokens from an endpoint on this machine, by a clock that the test sets. */
async function tokens(t: TestContext, answer: RequestListener) {
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    request.resume();
    request.on("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const clock = { ms: 1_000_000 };
  const env: Env = { ...realEnv(), monoMs: () => clock.ms, wallUs: () => clock.ms * 1_000 };
  const { port } = server.address() as AddressInfo;
  const token = tokenSource({
    tokenEndpoint: `http://127.0.0.1:${port}/token`,
    clientId: "a:b",
    clientSecret: secret,
    scope: null,
    ca: [],
    env,
  });
  return { token, clock, asked: () => asked };
}

test("a token is kept for three quarters of its life, and asked for once however many want it", async (t) => {
  const claims = Buffer.from(JSON.stringify({ sub: "gateway" })).toString("base64url");
  const { token, clock, asked } = await tokens(t, (request, response) => {
    assert.equal(request.headers.authorization, `Basic ${Buffer.from(`a%3Ab:${secret}`).toString("base64")}`);
    response.end(JSON.stringify({ access_token: `x.${claims}.y`, expires_in: 100 }));
  });
  const [one, two] = await Promise.all([token(), token()]);
  assert.equal(one, two);
  assert.deepEqual(one, { text: `x.${claims}.y`, principal: "gateway", untilMs: 1_100_000 });
  clock.ms += 74_000;
  assert.equal(await token(), one);
  clock.ms += 2_000;
  assert.equal((await token()).untilMs, 1_176_000);
  assert.equal(asked(), 2);
});

test("an endpoint that refuses, or says something else, is a fault that passes, without the secret", async (t) => {
  const answers: [RequestListener, RegExp][] = [
    [(_, response) => response.writeHead(401).end(`no, not with ${secret}`), /answered 401/],
    [(_, response) => response.end("<html>"), /not JSON/],
    [(_, response) => response.end("{}"), /no access_token/],
    [(_, response) => response.end("x".repeat(100_000)), /too large/],
    [(request) => request.socket.destroy(), /hang up|ECONNRESET/],
  ];
  for (const [answer, why] of answers) {
    const { token, asked } = await tokens(t, answer);
    for (let tries = 1; tries <= 2; tries++) {
      await assert.rejects(token(), (error: unknown) => {
        assert.ok(error instanceof Fault && error.retryable, String(error));
        assert.match(error.why ?? "", why);
        assert.ok(!JSON.stringify([error.message, error.remedy]).includes(secret));
        return true;
      });
      assert.equal(asked(), tries, "a failure is not kept");
    }
  }
});
