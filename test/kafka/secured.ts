/** What a broker needs for logins, TLS and rights, and the files that a gateway needs to get in. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import { runJava } from "../../demo/kafka/java.ts";
import { freePorts } from "../../demo/ports.ts";

/** May do everything. */
export const username = "site";
/** May do what it is given the right to. */
export const guest = "guest";
export const password = "only-in-a-file";

export interface Secured {
  readonly folder: string;
  /** Properties of the broker. */
  readonly settings: Readonly<Record<string, string>>;
  /** `host:port` of a listener with TLS and a login, and of one that asks for a certificate. */
  readonly login: string;
  readonly mutual: string;
  /** A file in the folder. */
  file(name: string, text?: string): string;
  remove(): void;
}

const kafkaSecurity = "org.apache.kafka.common.security";
const kind = { keyType: "ec", algorithm: "sha256" } as const;

/** Whoever comes through the plain listener is the administrator. */
export async function securedBroker(): Promise<Secured> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-secured-"));
  const [loginPort, mutualPort] = await freePorts(2);
  const authority = await generate([{ name: "commonName", value: "test authority" }], {
    ...kind,
    extensions: [{ name: "basicConstraints", cA: true, critical: true }],
  });
  const signed = async (name: string): Promise<{ cert: string; private: string }> =>
    await generate([{ name: "commonName", value: name }], {
      ...kind,
      ca: { key: authority.private, cert: authority.cert },
      extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
    });
  const file = (name: string, text?: string): string => {
    const path = join(folder, name);
    if (text !== undefined) writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const broker = await signed("broker");
  const client = await signed("gateway");
  file("ca.pem", authority.cert);
  file("broker.pem", `${broker.private}\n${broker.cert}`);
  file("client.pem", client.cert);
  file("client.key", client.private);
  file("password", `${password}\n`);
  const plain = `${kafkaSecurity}.plain.PlainLoginModule required user_${username}="${password}" user_${guest}="${password}";`;
  const token = `${kafkaSecurity}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`;
  const unsecured = `${kafkaSecurity}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`;
  const login = "listener.name.login";
  const settings = {
    listeners: `LOGIN://127.0.0.1:${loginPort},MUTUAL://127.0.0.1:${mutualPort}`,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": `User:ANONYMOUS;User:${username};User:CN=gateway`,
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    [`${login}.plain.sasl.jaas.config`]: plain,
    [`${login}.scram-sha-256.sasl.jaas.config`]: `${kafkaSecurity}.scram.ScramLoginModule required;`,
    [`${login}.scram-sha-512.sasl.jaas.config`]: `${kafkaSecurity}.scram.ScramLoginModule required;`,
    [`${login}.oauthbearer.sasl.jaas.config`]: token,
    [`${login}.oauthbearer.sasl.server.callback.handler.class`]: unsecured,
    "listener.name.mutual.ssl.client.auth": "required",
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": file("broker.pem"),
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": file("ca.pem"),
  };
  return {
    folder,
    settings,
    login: `127.0.0.1:${loginPort}`,
    mutual: `127.0.0.1:${mutualPort}`,
    file,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Gives the user a password for SCRAM, which brokers keep themselves; they take one mechanism at a time. */
export async function addScramUser(bootstrap: string): Promise<void> {
  for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-512"]) {
    const secret = `${mechanism}=[password=${password}]`;
    const what = ["--alter", "--add-config", secret, "--entity-type", "users", "--entity-name", username];
    await runJava("kafka.admin.ConfigCommand", ["--bootstrap-server", bootstrap, ...what]);
  }
}
