/**
 * How both clients reach the cluster: the files that the settings name are read here, when the gateway connects, and
 * each client gets them in its own words. What is read stands in no error and in no log.
 */
import { getCACertificates } from "node:tls";
import type { ConnectionOptions } from "@platformatic/kafka";
import type { Env } from "../../../../shared/env.ts";
import { Fault } from "../../../../shared/errors.ts";
import { readSmallFile } from "../../../../shared/small-file.ts";
import type { LoginSettings, SecuritySettings, TlsSettings } from "../settings.ts";
import type { Properties } from "./librdkafka.ts";
import { tokenSource } from "./token.ts";

/** What the second client takes. */
export type SecondClientSecurity = Pick<ConnectionOptions, "tls" | "sasl">;

export interface Security {
  readonly librdkafka: Properties;
  readonly second: SecondClientSecurity;
}

/** Plain connections without a login. */
export const noSecurity: Security = { librdkafka: {}, second: {} };

/**
 * Reads certificates and secrets.
 * @param properties of librdkafka, of which the second client follows those about ciphers
 * @throws Fault `config` naming the file that cannot be read
 */
export function readSecurity(settings: SecuritySettings, properties: Properties, env: Env): Security {
  const { tls, login } = settings;
  const protocol = `${login === null ? "" : "sasl_"}${tls === null ? "plaintext" : "ssl"}`;
  const encrypted = tls === null ? noSecurity : tlsOf(tls, properties);
  const known = login === null ? noSecurity : loginOf(login, env);
  return {
    librdkafka: { "security.protocol": protocol, ...encrypted.librdkafka, ...known.librdkafka },
    second: { ...encrypted.second, ...known.second },
  };
}

function tlsOf({ caFile, client }: TlsSettings, properties: Properties): Security {
  const text = (name: string): string | undefined => {
    const value = properties[name];
    return typeof value === "string" ? value : undefined;
  };
  const ca = caFile === null ? trusted() : readSmallFile("the authority of the Kafka brokers", caFile);
  const own =
    client === null
      ? null
      : {
          cert: readSmallFile("the certificate for the Kafka brokers", client.certFile),
          key: readSmallFile("the key of the certificate for the Kafka brokers", client.keyFile),
        };
  const [ciphers, ecdhCurve, sigalgs] = [text("ssl.cipher.suites"), text("ssl.curves.list"), text("ssl.sigalgs.list")];
  return {
    librdkafka: {
      // Looks where distributions keep the authorities that a machine trusts.
      "ssl.ca.location": caFile ?? "probe",
      ...(own === null ? {} : { "ssl.certificate.pem": own.cert, "ssl.key.pem": own.key }),
    },
    second: {
      tls: {
        ca,
        ...own,
        ...(ciphers === undefined ? {} : { ciphers }),
        ...(ecdhCurve === undefined ? {} : { ecdhCurve }),
        ...(sigalgs === undefined ? {} : { sigalgs }),
      },
    },
  };
}

/** The authorities that this machine trusts, beside those that come with Node. */
function trusted(): string[] {
  return [...getCACertificates("default"), ...getCACertificates("system")];
}

function loginOf(login: LoginSettings, env: Env): Security {
  const { mechanism } = login;
  if (login.mechanism !== "OAUTHBEARER") {
    const { username, passwordFile } = login;
    const password = readSecret("the Kafka password", passwordFile);
    return {
      librdkafka: { "sasl.mechanism": mechanism, "sasl.username": username, "sasl.password": password },
      second: { sasl: { mechanism, username, password } },
    };
  }
  const { clientSecretFile, caFile } = login;
  const token = tokenSource({
    ...login,
    clientSecret: readSecret("the secret of the OAuth client", clientSecretFile),
    ca: caFile === null ? trusted() : readSmallFile("the authority of the token endpoint", caFile),
    env,
  });
  return {
    librdkafka: {
      "sasl.mechanism": mechanism,
      // Not librdkafka's own way to fetch tokens: it is missing where that was built without libcurl.
      async oauthbearer_token_refresh_cb() {
        const { text, principal, untilMs } = await token();
        return { tokenValue: text, principal, lifetime: untilMs };
      },
    },
    second: { sasl: { mechanism, token: async () => (await token()).text } },
  };
}

function readSecret(what: string, file: string): string {
  const secret = readSmallFile(what, file).trim();
  if (secret !== "") return secret;
  throw new Fault("config", { what: `${what} is missing`, why: `${file} is empty`, remedy: "write it into the file" });
}
