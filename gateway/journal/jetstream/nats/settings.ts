/** How a gateway reaches the NATS servers: what the configuration says, and the secrets that it names by their files. */
import { isIP } from "node:net";
import { checkServerIdentity, getCACertificates, type PeerCertificate } from "node:tls";
import type { Authenticator, TlsOptions } from "@nats-io/transport-node";
import { Fault } from "../../../../shared/errors.ts";
import { readSmallFile } from "../../../../shared/small-file.ts";

export interface NatsSettings {
  /** `host:port` of some servers; the others of their cluster are learnt from them. */
  readonly servers: readonly string[];
  /** Shown in the servers' lists of connections. */
  readonly name: string;
  readonly login: NatsLogin | null;
  /** Null speaks without encryption, and refuses nothing that a server sends in clear. */
  readonly tls: NatsTls | null;
  /** How long an answer may take; also a try to connect, and the silence after which a connection counts as dead. */
  readonly answerMs: number;
}

export type NatsLogin =
  | { readonly user: string; readonly passwordFile: string }
  /** The seed of a user's NKey. */
  | { readonly nkeyFile: string }
  /** A user's JWT and seed, as the tools of NATS write them. */
  | { readonly credsFile: string };

export interface NatsTls {
  /** Null trusts whom this machine trusts. */
  readonly caFile: string | null;
  readonly client: { readonly certFile: string; readonly keyFile: string } | null;
}

/** What the client's package offers to log in with: it is loaded only where this journal is used. */
export interface Authenticators {
  usernamePasswordAuthenticator(user: string, password: () => string): Authenticator;
  nkeyAuthenticator(seed: () => Uint8Array): Authenticator;
  credsAuthenticator(creds: () => Uint8Array): Authenticator;
}

/** @throws Fault `config` naming the file that cannot be read */
export function loginOf(login: NatsLogin, kinds: Authenticators): Authenticator {
  if ("user" in login) {
    return kinds.usernamePasswordAuthenticator(login.user, secret("the NATS password", login.passwordFile));
  }
  if ("nkeyFile" in login) {
    const seed = secret("the seed of the NKey", login.nkeyFile);
    return kinds.nkeyAuthenticator(() => Buffer.from(seed()));
  }
  const creds = secret("the NATS credentials", login.credsFile);
  // The client looks for the end of the last line.
  return kinds.credsAuthenticator(() => Buffer.from(`${creds()}\n`));
}

/**
 * Reads a secret again at each new connection, since credentials run out and are replaced while a gateway runs. Where it
 * cannot be read any more, the last one is tried.
 */
function secret(what: string, file: string): () => string {
  let last = readSecret(what, file);
  return () => {
    try {
      last = readSecret(what, file);
    } catch {
      // A file that is just being replaced is no reason to stay away.
    }
    return last;
  };
}

function readSecret(what: string, file: string): string {
  const text = readSmallFile(what, file).trim();
  if (text !== "") return text;
  throw new Fault("config", { what: `${what} is missing`, why: `${file} is empty`, remedy: "write it into the file" });
}

/** @throws Fault `config` naming the file that cannot be read */
export function tlsOf({ caFile, client }: NatsTls, servers: readonly string[]): TlsOptions {
  const trusted = () => [...getCACertificates("default"), ...getCACertificates("system")].join("\n");
  const ips = servers
    .map((address) => address.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""))
    .filter((host) => isIP(host) !== 0);
  // The client hands this and all else that Node takes on to Node, though its own type does not name it.
  const identity = {
    checkServerIdentity(host: string, certificate: PeerCertificate): Error | undefined {
      const verdict = checkServerIdentity(host, certificate);
      // For a server that is named by its IP the client gives no name, and Node puts this one in its place.
      const names = host === "localhost" ? ips : [];
      return names.some((ip) => checkServerIdentity(ip, certificate) === undefined) ? undefined : verdict;
    },
  };
  return {
    ...identity,
    ca: caFile === null ? trusted() : readSmallFile("the authority of the NATS servers", caFile),
    ...(client === null
      ? {}
      : {
          cert: readSmallFile("the certificate for the NATS servers", client.certFile),
          key: readSmallFile("the key of the certificate for the NATS servers", client.keyFile),
        }),
  };
}
