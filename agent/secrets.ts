/**
 * Reads the password and the certificates when a connection is made: renewed files count without a restart, and a
 * missing one keeps the agent from its gateway but never from taking readings (I10).
 */
import { readSmallFile } from "../shared/small-file.ts";
import type { GatewayLinkConfig } from "./config.ts";

/** What a connection needs to know: a secret and PEM texts. */
export interface LinkSecrets {
  readonly secret: string;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/**
 * Reads all secrets of a link.
 * @throws Fault `config` naming the file that is missing, unreadable or too large; retryable, since files come back
 */
export function readLinkSecrets(gateway: GatewayLinkConfig): LinkSecrets {
  const { password, passwordFile } = gateway;
  const { caFile, certFile, keyFile } = gateway.tls;
  return {
    secret: password ?? readPassword(passwordFile).trim(),
    tls: {
      ...(caFile === null ? {} : { ca: readPem("the authority of the gateway's certificate", caFile) }),
      ...(certFile === null ? {} : { cert: readPem("this agent's certificate", certFile) }),
      ...(keyFile === null ? {} : { key: readPem("the key of the certificate", keyFile) }),
    },
  };
}

function readPem(what: string, file: string): string {
  return readSmallFile(what, file, { retryable: true });
}

function readPassword(file: string): string {
  const remedy = `put the secret that "holdfast-gateway agent add" printed into ${file}`;
  return readSmallFile("the password of this agent", file, { remedy, retryable: true });
}
