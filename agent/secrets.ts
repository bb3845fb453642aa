/**
 * Reads the password and the certificates when a connection is made: renewed files count without a restart, and a
 * missing one keeps the agent from its gateway but never from taking readings (I10).
 */
import { readFileSync, statSync } from "node:fs";
import { codeOf, Fault, messageOf } from "../shared/errors.ts";
import type { GatewayLinkConfig } from "./config.ts";

/** What a connection needs to know: a secret and PEM texts. */
export interface LinkSecrets {
  readonly secret: string;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

const fileBytesMax = 256 * 1024;

/**
 * Reads all secrets of a link.
 * @throws Fault `config` naming the file that is missing, unreadable or too large; retryable, since files come back
 */
export function readLinkSecrets(gateway: GatewayLinkConfig): LinkSecrets {
  const { caFile, certFile, keyFile } = gateway.tls;
  return {
    secret: gateway.password ?? readSmall("the password of this agent", gateway.passwordFile).trim(),
    tls: {
      ...(caFile === null ? {} : { ca: readSmall("the authority of the gateway's certificate", caFile) }),
      ...(certFile === null ? {} : { cert: readSmall("this agent's certificate", certFile) }),
      ...(keyFile === null ? {} : { key: readSmall("the key of the certificate", keyFile) }),
    },
  };
}

function readSmall(what: string, file: string): string {
  try {
    if (statSync(file).size > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax / 1024} KiB`);
    return readFileSync(file, "utf8");
  } catch (error) {
    const missing = codeOf(error) === "ENOENT";
    throw new Fault("config", {
      what: `${what} cannot be read`,
      why: missing ? `${file} does not exist` : `${file}: ${messageOf(error)}`,
      remedy: what.includes("password")
        ? `put the secret that "holdfast-gateway agent add" printed into ${file}`
        : "put the file there or correct the configuration",
      retryable: true,
      cause: error,
    });
  }
}
