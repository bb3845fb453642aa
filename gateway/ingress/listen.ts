/**
 * The sockets that agents connect to: plain on loopback, TLS elsewhere. Whoever has not shown a credential is held to
 * few connections and little time, so that strangers cannot keep agents out (I8).
 */
import { readFileSync, statSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import {
  createSecureContext,
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from "node:tls";
import type { Logger } from "pino";
import { isLoopback } from "../../shared/address.ts";
import type { Env, Timer } from "../../shared/env.ts";
import { Fault, messageOf } from "../../shared/errors.ts";

/** Open connections, admitted or not: an idle one takes about 60 kB, one that sends at most two batches. */
export const connectionsMax = 2_000;
/** Connections that wait for admission, TLS handshakes included. */
export const waitingMax = 200;
/** From the TCP connection to the credential. A handshake over satellite or 2G takes up to 10 s. */
const admitWithinMs = 20_000;
const warnEveryMs = 60_000;

export interface Listen {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
}

export interface ListenTls extends Listen {
  /** PEM files; they are read again when they change. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Where given, an agent must show a certificate that was signed by one of these, in addition to its secret. */
  readonly caFile?: string;
}

/** The ports in use, which differ from the configured ones where these are 0. */
export interface Ports {
  readonly plain?: number;
  readonly tls?: number;
}

export interface Listeners {
  readonly ports: Ports;
  /** Stops listening and ends every connection. */
  stop(): Promise<void>;
}

export interface ListenOptions {
  readonly listen?: Listen | undefined;
  readonly tls?: ListenTls | undefined;
  readonly env: Env;
  readonly log: Logger;
  /** Takes a connection, over TLS after the handshake; it calls `admitted` once the credential was right. */
  readonly accept: (socket: Socket, admitted: () => void) => void;
}

/** @throws Fault `config` where an address or certificate cannot be used, `unavailable` where a port cannot be had */
export async function openListeners(options: ListenOptions): Promise<Listeners> {
  const { listen, tls, env, log, accept } = options;
  const open = new Set<Socket>();
  const waiting = new Map<string, Timer>();
  let turnedAway = 0;
  let warnedAtMs = -warnEveryMs;

  /** Counts a connection from its first packet on, long before TLS is through. */
  function track(raw: Socket): void {
    const peer = peerOf(raw);
    if (open.size >= connectionsMax || waiting.size >= waitingMax) {
      raw.destroy();
      turnedAway++;
      // One line for many: a flood of connections must not become a flood of log lines.
      if (env.monoMs() - warnedAtMs < warnEveryMs) return;
      warnedAtMs = env.monoMs();
      log.warn({ open: open.size, waiting: waiting.size, turnedAway }, "turned connections away: too many are open");
      return;
    }
    open.add(raw);
    waiting.set(
      peer,
      env.after(admitWithinMs, () => raw.destroy()),
    );
    raw.setNoDelay(true);
    raw.once("close", () => {
      open.delete(raw);
      settle(peer);
    });
  }

  function settle(peer: string): void {
    waiting.get(peer)?.cancel();
    waiting.delete(peer);
  }

  function take(socket: Socket): void {
    const peer = peerOf(socket);
    if (!socket.destroyed) accept(socket, () => settle(peer));
  }

  if (listen === undefined && tls === undefined) {
    throw new Fault("config", {
      what: "the gateway cannot take connections",
      why: "neither a plain nor a TLS address is configured",
      remedy: "Configure one of them.",
    });
  }
  const servers: Server[] = [];
  const ports: { plain?: number; tls?: number } = {};
  try {
    if (listen !== undefined) ports.plain = await bind(plainServer(listen), listen);
    if (tls !== undefined) ports.tls = await bind(tlsServer(tls), tls);
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }

  function plainServer(address: Listen): Server {
    if (!isLoopback(address.host)) {
      throw new Fault("config", {
        what: `plain MQTT cannot listen on ${address.host}`,
        why: "secrets and readings would cross the network in the clear",
        remedy: "Listen on 127.0.0.1, or use TLS with a certificate and a key.",
      });
    }
    return createServer((socket) => {
      track(socket);
      take(socket);
    });
  }

  function tlsServer(address: ListenTls): Server {
    let stamp = stampOf(address);
    const needsCertificate = address.caFile !== undefined;
    const server: TlsServer = createTlsServer({
      ...readCertificates(address),
      minVersion: "TLSv1.2",
      requestCert: needsCertificate,
      // It must stay the TLS layer that rejects: an unasked-for session ticket, resumed, counts as verified.
      rejectUnauthorized: needsCertificate,
      handshakeTimeout: admitWithinMs,
    });
    // Before the server's own listener, so that this very handshake uses a renewed certificate.
    server.prependListener("connection", (raw: Socket) => {
      const now = stampOf(address);
      if (now !== stamp) {
        stamp = now;
        try {
          server.setSecureContext({ ...readCertificates(address), minVersion: "TLSv1.2" });
          log.info("took over the changed TLS certificate");
        } catch (error) {
          log.error({ err: error }, "the changed TLS certificate cannot be used; the old one stays in force");
        }
      }
      track(raw);
    });
    server.on("secureConnection", take);
    server.on("tlsClientError", (error, socket) => {
      log.info({ peer: socket.remoteAddress, why: messageOf(error) }, "a TLS handshake failed");
    });
    return server;
  }

  /** Starts a server and returns its port. */
  function bind(server: Server, { host, port }: Listen): Promise<number> {
    servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", (error) => {
        const what = `the gateway cannot listen on ${host} port ${port}`;
        const remedy = "Stop the program that uses the port, or configure another address or port.";
        reject(new Fault("unavailable", { what, why: messageOf(error), remedy, cause: error }));
      });
      server.listen({ host, port }, () => resolve((server.address() as AddressInfo).port));
    });
  }

  return {
    ports,
    async stop() {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const raw of open) raw.destroy();
      await Promise.all(closed);
    },
  };
}

/** The same for a socket and for the TLS session on it, and unique among open connections. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`;
}

/** @throws Fault `config` where a file cannot be read or the key does not belong to the certificate */
function readCertificates({ certFile, keyFile, caFile }: ListenTls): SecureContextOptions {
  const read = (file: string): Buffer => readFileSync(file);
  try {
    const context = { cert: read(certFile), key: read(keyFile), ...(caFile === undefined ? {} : { ca: read(caFile) }) };
    createSecureContext(context);
    return context;
  } catch (error) {
    throw new Fault("config", {
      what: `TLS cannot be served with ${certFile} and ${keyFile}`,
      why: messageOf(error),
      remedy: "Check that the files exist, are PEM, belong together and are readable by the gateway's user.",
      cause: error,
    });
  }
}

/** Changes when one of the files does. */
function stampOf({ certFile, keyFile, caFile = certFile }: ListenTls): string {
  return [certFile, keyFile, caFile].map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0).join(" ");
}
