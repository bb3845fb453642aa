/**
 * The embedded MQTT broker (aedes), for agents only. Who an agent is comes from its credential, never from a payload;
 * each may publish to its own `up` topic, subscribe to its own `down` topic, and nothing else. What arrives is handed on
 * in order, one message at a time per connection; while too much waits to be taken, the connection is read no further
 * (I8).
 *
 *     listen → guard → aedes → admission → onMessage          send → guard → socket
 */
import type { Duplex } from "node:stream";
import { Aedes, type AuthenticateError, type Client } from "aedes";
import type { Logger } from "pino";
import type { Env } from "../../shared/env.ts";
import { messageOf } from "../../shared/errors.ts";
import { batchBytesMax } from "../../shared/limits.ts";
import { writePublish } from "../../shared/publish.ts";
import { topicDown, topicUp } from "../../shared/topics.ts";
import { admissionFault, type ConnectFacts, type Refusal, returnCode } from "./admission.ts";
import type { Credentials } from "./credentials.ts";
import { type Guard, guardSocket } from "./guard.ts";
import { type Listen, type ListenTls, openListeners, type Ports } from "./listen.ts";

/** Sessions of one agent: itself, a clone or two, and what a mobile network left half open. */
const sessionsPerAgentMax = 8;
/** Messages that wait to be taken, beyond which a session is read no further: one batch is taken, one arrives (I8). */
const heldBytes = batchBytesMax;
/** What a message costs beside its payload. */
const messageOverheadBytes = 1024;
/** Unsent bytes of one session beyond which messages to it are dropped: a frozen agent costs no more (I8). */
const downBytesMax = 2 * batchBytesMax;
/** How soon the sessions of a removed agent end. */
const revokeCheckMs = 2_000;

export interface BrokerOptions {
  /** Plain MQTT, on a loopback address only. */
  readonly listen?: Listen | undefined;
  readonly tls?: ListenTls | undefined;
  readonly credentials: Credentials;
  /**
   * Takes a message. The next one of its connection waits until the promise resolves, and beyond one batch the socket
   * is read no further; a rejection closes the connection.
   */
  onMessage(agent: string, payload: Uint8Array): Promise<void> | void;
  /** Called for every session, clones of one agent included. */
  onConnect?(agent: string): void;
  onDisconnect?(agent: string): void;
  readonly env: Env;
  readonly log: Logger;
}

export interface Broker {
  /**
   * Sends to every session of the agent that listens, and resolves once each took the message or ended. True where at
   * least one took it; false where there is none or none had room, and then the message is gone: whatever it said, the
   * agent asks again.
   */
  send(agent: string, payload: Uint8Array): Promise<boolean>;
  readonly ports: Ports;
  /** Admitted sessions. */
  connections(): number;
  stop(): Promise<void>;
}

/** A connection, from its first byte on. */
interface Session {
  readonly guard: Guard;
  readonly admitted: () => void;
  connect?: ConnectFacts;
  /** Who it is, once authenticated. */
  identity?: { readonly agent: string; readonly credential: string };
  listens: boolean;
  /** Settles when every message so far has been taken. */
  taken: Promise<void>;
  /** What the messages that wait to be taken cost in memory. */
  waitingBytes: number;
}

/** @throws Fault `config` where an address or certificate cannot be used, `unavailable` where a port cannot be had */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { credentials, env, log } = options;
  const sessions = new Map<Client, Session>();
  const byAgent = new Map<string, Set<Client>>();

  const aedes = await Aedes.createBroker({
    preConnect(client, packet, done) {
      const { username = "", clientId, clean = false, keepalive = 0, will } = packet;
      const session = sessions.get(client);
      if (session === undefined) return done(new Error("the connection is gone"), false);
      session.connect = { username, clientId, clean, keepAliveSeconds: keepalive, hasWill: will !== undefined };
      done(null, true);
    },
    authenticate(client, username, password, done) {
      const session = sessions.get(client);
      if (session?.connect === undefined) return done(refusal(notAdmitted), false);
      const agent = username ?? "";
      const credential = credentials.verify(agent, password ?? new Uint8Array());
      const refused = credential === undefined ? notAdmitted : admissionFault(session.connect);
      if (credential === undefined || refused !== undefined) return done(refusal(refused ?? notAdmitted), false);
      admit(client, session, agent, credential);
      done(null, true);
    },
    authorizePublish(client, packet, done) {
      const session = client === null ? undefined : sessions.get(client);
      const agent = session?.identity?.agent;
      if (session === undefined || agent === undefined || packet.topic !== topicUp(agent)) {
        return done(new Error(`publishing to ${JSON.stringify(packet.topic.slice(0, 200))} is not allowed`));
      }
      const payload = packet.payload as Uint8Array;
      hold(session, payload.length + messageOverheadBytes);
      session.taken = session.taken.then(() => options.onMessage(agent, payload));
      session.taken.then(
        () => {
          hold(session, -payload.length - messageOverheadBytes);
          done(null);
        },
        (error: unknown) => done(new Error(`a message was not taken: ${messageOf(error)}`)),
      );
    },
    authorizeSubscribe(client, subscription, done) {
      const session = sessions.get(client);
      const agent = session?.identity?.agent;
      if (session !== undefined && agent !== undefined && subscription.topic === topicDown(agent)) {
        session.listens = true;
        return done(null, subscription);
      }
      log.warn({ agent, topic: subscription.topic.slice(0, 200) }, "refused a subscription");
      done(null, null);
    },
  });
  const explain = (client: Client, error: Error): void => {
    log.info({ agent: sessions.get(client)?.identity?.agent, why: error.message }, "a connection failed");
  };
  aedes.on("clientError", explain);
  aedes.on("connectionError", explain);

  function admit(client: Client, session: Session, agent: string, credential: string): void {
    session.identity = { agent, credential };
    session.guard.admit();
    session.admitted();
    const own = byAgent.get(agent) ?? new Set();
    byAgent.set(agent, own.add(client));
    const [oldest] = own;
    // The oldest is the likeliest to be half open; the newest has just shown that its way is open.
    if (own.size > sessionsPerAgentMax && oldest !== undefined) end(oldest, "the agent has too many sessions");
    log.info({ agent }, "an agent connected");
    options.onConnect?.(agent);
  }

  /** aedes itself goes on reading while a message is being authorised, so the guard has to stop (measured). */
  function hold(session: Session, bytes: number): void {
    session.waitingBytes += bytes;
    session.guard.hold(session.waitingBytes >= heldBytes);
  }

  function end(client: Client, why: string): void {
    log.warn({ agent: sessions.get(client)?.identity?.agent, why }, "ended a session");
    sessions.get(client)?.guard.stream.destroy();
  }

  function forget(client: Client): void {
    const agent = sessions.get(client)?.identity?.agent;
    sessions.delete(client);
    if (agent === undefined) return;
    const own = byAgent.get(agent);
    own?.delete(client);
    if (own?.size === 0) byAgent.delete(agent);
    log.info({ agent }, "an agent disconnected");
    options.onDisconnect?.(agent);
  }

  const listeners = await openListeners({
    ...options,
    accept(socket, admitted) {
      const guard = guardSocket(socket, env, (why) => {
        const agent = sessions.get(client)?.identity?.agent;
        log.warn({ agent, peer: socket.remoteAddress, why }, "ended a connection");
      });
      const client = aedes.handle(guard.stream);
      sessions.set(client, { guard, admitted, listens: false, taken: Promise.resolve(), waitingBytes: 0 });
      guard.stream.once("close", () => forget(client));
    },
  }).catch((error: unknown) => {
    // Its timers would keep the process alive.
    aedes.close();
    throw error;
  });

  function revoke(): void {
    for (const [client, { identity }] of sessions) {
      if (identity !== undefined && !credentials.isCurrent(identity.agent, identity.credential)) {
        end(client, "its credential was removed");
      }
    }
    revoking = env.after(revokeCheckMs, revoke);
  }
  let revoking = env.after(revokeCheckMs, revoke);

  return {
    ports: listeners.ports,
    async send(agent, payload) {
      const open = [...(byAgent.get(agent) ?? [])].flatMap((client) => {
        const session = sessions.get(client);
        return session?.listens === true && hasRoom(session.guard.stream) ? [session.guard.stream] : [];
      });
      const taken = await Promise.all(open.map((stream) => publish(stream, topicDown(agent), payload)));
      return taken.includes(true);
    },
    connections: () => [...byAgent.values()].reduce((sum, own) => sum + own.size, 0),
    async stop() {
      revoking.cancel();
      await listeners.stop();
      await new Promise<void>((resolve) => aedes.close(resolve));
    },
  };
}

function hasRoom(stream: Duplex): boolean {
  return stream.writable && stream.writableLength < downBytesMax;
}

/** Writes straight to one session: a frozen one then holds up nobody else, as it would behind the broker's emitter. */
function publish(stream: Duplex, topic: string, payload: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => writePublish(stream, topic, payload, (error) => resolve(!error)));
}

const notAdmitted: Refusal = { returnCode: returnCode.badCredentials, why: "unknown agent or wrong secret" };

function refusal({ returnCode, why }: Refusal): AuthenticateError {
  return Object.assign(new Error(why), { returnCode });
}
