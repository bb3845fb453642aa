import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { type GenerateResult, generate } from "selfsigned";
import type { LinkTarget } from "../../agent/uplink/link.ts";
import { type Gateway, openLink, rawPeer, startGateway, startLink, until } from "../fakes/mqtt-setup.ts";

type Pem = { readonly cert: string; readonly private: string };

async function authority(name: string): Promise<GenerateResult> {
  return generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [{ name: "basicConstraints", cA: true, critical: true }],
  });
}

async function issue(ca: Pem, names: object[], options: object = {}): Promise<GenerateResult> {
  return generate([{ name: "commonName", value: "leaf" }], {
    keyType: "ec",
    algorithm: "sha256",
    ca: { key: ca.private, cert: ca.cert },
    extensions: [{ name: "subjectAltName", altNames: names }],
    ...options,
  } as Parameters<typeof generate>[1]);
}

const localhost = { type: 2, value: "localhost" };
const ca = await authority("Test CA");
const strangerCa = await authority("Another CA");
const gatewayPem = await issue(ca, [localhost, { type: 7, ip: "127.0.0.1" }]);
const agentPem = await issue(ca, []);

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-tls-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function writePem(folder: string, pem: Pem): { certFile: string; keyFile: string } {
  const files = { certFile: join(folder, "gateway.crt"), keyFile: join(folder, "gateway.key") };
  writeFileSync(files.certFile, pem.cert);
  writeFileSync(files.keyFile, pem.private);
  return files;
}

async function startTls(t: TestContext, pem: Pem, clientCa?: string): Promise<Gateway> {
  const folder = tempFolder(t);
  const caFile = join(folder, "ca.crt");
  if (clientCa !== undefined) writeFileSync(caFile, clientCa);
  const files = { ...writePem(folder, pem), ...(clientCa === undefined ? {} : { caFile }) };
  return startGateway(t, { tls: { host: "127.0.0.1", port: 0, ...files } });
}

function tlsTarget(gateway: Gateway, tls: NonNullable<LinkTarget["tls"]>, host = "localhost"): Partial<LinkTarget> {
  return { url: `mqtts://${host}:${gateway.broker.ports.tls}`, secret: gateway.secrets["pump-1"], tls };
}

async function reasonOf(t: TestContext, target: Partial<LinkTarget>): Promise<string> {
  const session = startLink(t, target);
  await until("it is down", () => session.downs.length === 1);
  return `${session.downs[0]?.reason}: ${session.downs[0]?.text}`;
}

describe("TLS", () => {
  for (const host of ["localhost", "127.0.0.1"]) {
    it(`carries messages to a gateway whose certificate is for ${host}`, async (t) => {
      const gateway = await startTls(t, gatewayPem);
      const { link, messages } = await openLink(t, tlsTarget(gateway, { ca: ca.cert }, host));
      await link.send(new Uint8Array(400_000).fill(7));
      await until("it arrived", () => gateway.received.length === 1);
      assert.equal(await gateway.broker.send("pump-1", gateway.received[0]!.payload), true);
      await until("it came back", () => messages.length === 1);
      assert.equal(Buffer.compare(messages[0]!, Buffer.alloc(400_000, 7)), 0);
    });
  }

  it("refuses a gateway of another authority, another name or another time, and sends it no secret", async (t) => {
    const gateway = await startTls(t, gatewayPem);
    assert.match(
      await reasonOf(t, tlsTarget(gateway, { ca: strangerCa.cert })),
      /^unauthorised: .*(certificate|issuer)/,
    );
    assert.match(await reasonOf(t, tlsTarget(gateway, {})), /^unauthorised: .*(self-signed|certificate)/);
    const other = await startTls(t, await issue(ca, [{ type: 2, value: "other.example" }]));
    assert.match(await reasonOf(t, tlsTarget(other, { ca: ca.cert })), /^unauthorised: .*altnames/);
    const day = 86_400_000;
    const future = { notBeforeDate: new Date(Date.now() + day), notAfterDate: new Date(Date.now() + 2 * day) };
    const early = await startTls(t, await issue(ca, [localhost], future));
    assert.match(await reasonOf(t, tlsTarget(early, { ca: ca.cert })), /^unauthorised: .*not yet valid.*clock/);
    assert.ok(![gateway, other, early].some(({ log }) => log.some((line) => line.includes("an agent connected"))));
  });

  it("asks for the agent's certificate where a CA is configured, in addition to the secret", async (t) => {
    const gateway = await startTls(t, gatewayPem, ca.cert);
    const shown = { ca: ca.cert, cert: agentPem.cert, key: agentPem.private };
    const { told } = await openLink(t, tlsTarget(gateway, shown));
    assert.deepEqual(told, ["up"]);
    const wrongSecret = { ...tlsTarget(gateway, shown), secret: "no" };
    assert.match(await reasonOf(t, wrongSecret), /^unauthorised: .*secret/);
    assert.match(await reasonOf(t, tlsTarget(gateway, { ca: ca.cert })), /^unauthorised: .*certificate/);
    const strangers = await issue(strangerCa, []);
    const foreign = { ca: ca.cert, cert: strangers.cert, key: strangers.private };
    assert.match(await reasonOf(t, tlsTarget(gateway, foreign)), /^unauthorised: .*(certificate|unknown ca)/i);
  });

  it("says so where the two sides do not both speak TLS, or a PEM text is none", async (t) => {
    const plain = await startGateway(t);
    const target = { url: `mqtts://127.0.0.1:${plain.broker.ports.plain}`, tls: { ca: ca.cert } };
    assert.match(await reasonOf(t, target), /^(refused|lost): /);
    assert.match(await reasonOf(t, { ...target, tls: { cert: "junk", key: "junk" } }), /^refused: /);
    const gateway = await startTls(t, gatewayPem);
    const garbage = await rawPeer(t, gateway.broker.ports.tls);
    garbage.socket.write(Buffer.alloc(100, 0x55));
    await until("it is out", garbage.isClosed);
    const { told } = await openLink(t, tlsTarget(gateway, { ca: ca.cert }));
    assert.deepEqual(told, ["up"]);
  });

  it("refuses versions before 1.2", async (t) => {
    const gateway = await startTls(t, gatewayPem);
    const options = {
      host: "127.0.0.1",
      port: gateway.broker.ports.tls,
      ca: ca.cert,
      servername: "localhost",
    } as const;
    const old = connectTls({ ...options, minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" });
    t.after(() => old.destroy());
    await assert.rejects(new Promise((_, reject) => old.once("error", reject)));
  });

  it("takes over a renewed certificate without a restart, and keeps the old one while the new cannot be used", async (t) => {
    const folder = tempFolder(t);
    const gateway = await startGateway(t, { tls: { host: "127.0.0.1", port: 0, ...writePem(folder, gatewayPem) } });
    const renewed = await issue(strangerCa, [localhost]);
    const write = (name: string, text: string): void => {
      writeFileSync(join(folder, "new"), text);
      renameSync(join(folder, "new"), join(folder, name));
    };
    write("gateway.crt", renewed.cert);
    assert.deepEqual((await openLink(t, tlsTarget(gateway, { ca: ca.cert }))).told, ["up"]);
    write("gateway.key", renewed.private);
    assert.deepEqual((await openLink(t, tlsTarget(gateway, { ca: strangerCa.cert }))).told, ["up"]);
  });

  it("refuses to start with a key that does not belong to the certificate", async (t) => {
    const mixed = { cert: gatewayPem.cert, private: agentPem.private };
    await assert.rejects(startTls(t, mixed), { code: "config", retryable: false });
  });
});

describe("docs/operate/tls.md", () => {
  const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

  it("makes certificates that agent and gateway accept", {
    skip: !hasOpenssl && "openssl is not installed",
  }, async (t) => {
    const folder = tempFolder(t);
    const page = readFileSync(new URL("../../docs/operate/tls.md", import.meta.url), "utf8");
    const commands = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block);
    assert.equal(commands.length, 3);
    // The page's names stand for those of the reader's own gateway; here it is this machine.
    const script = commands.join("\n").replace(/^GATEWAY=.*$/m, "GATEWAY=DNS:localhost,IP:127.0.0.1");
    execFileSync("sh", ["-eu", "-c", script], { cwd: folder, stdio: "pipe" });
    const read = (name: string): string => readFileSync(join(folder, name), "utf8");
    const files = { certFile: "gateway.crt", keyFile: "gateway.key", caFile: "ca.crt" };
    const tls = Object.fromEntries(
      Object.entries(files).map(([key, name]) => [key, join(folder, name)]),
    ) as typeof files;
    const gateway = await startGateway(t, { tls: { host: "127.0.0.1", port: 0, ...tls } });
    const shown = { ca: read("ca.crt"), cert: read("pump-7.crt"), key: read("pump-7.key") };
    assert.deepEqual((await openLink(t, tlsTarget(gateway, shown))).told, ["up"]);
    assert.match(await reasonOf(t, tlsTarget(gateway, { ca: read("ca.crt") })), /^unauthorised: .*certificate/);
  });
});
