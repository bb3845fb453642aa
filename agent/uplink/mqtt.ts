/**
 * The MQTT link: the `mqtt` package over one TCP or TLS connection. MQTT 3.1.1, clean session, QoS 0 in both
 * directions: a PUBACK says nothing that a POSITION does not say better, and after a loss the uplink sends again from
 * the store. QoS 1 would cost metered bytes, and the client would copy every batch and keep it until its PUBACK.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type IClientOptions, MqttClient } from "mqtt";
import { type GatewayAddress, parseGatewayUrl } from "../../shared/address.ts";
import { clientIdOf, clientIdRandomBytes } from "../../shared/client-id.ts";
import type { Env } from "../../shared/env.ts";
import { messageOf } from "../../shared/errors.ts";
import { frameFault, packetType } from "../../shared/frames.ts";
import { writePublish } from "../../shared/publish.ts";
import { topicDown, topicUp } from "../../shared/topics.ts";
import { guardSocket } from "./guard.ts";
import { keepAlive } from "./keep-alive.ts";
import type { ConnectLink, LinkDown, LinkEvents, LinkSession, LinkTarget } from "./link.ts";
import { certificateRefused, connackDown, lost, socketDown } from "./link-down.ts";

/** How long a closed session may take to deliver what was sent before. */
const lingerMs = 1_000;
/**
 * The least silence that the gateway is asked to bear. It counts whole packets only, so a batch that takes longer than
 * 1.5 times this would be cut off and sent again for ever: this allows 512 kB at 5 kbit/s.
 */
const gatewayPatienceSeconds = 600;
/** Where a gateway bounds it. */
const gatewayPatienceSecondsMax = 7_200;
/** Longest wait that a timer can be set to. */
const timerMsMax = 2 ** 31 - 1;

const { connack, publish, suback, pingresp } = packetType;
const gatewayTypes = [connack, publish, suback, pingresp];

/** Makes the link; it remembers the last TLS session, which saves most of the next handshake's bytes. */
export function mqttLink(env: Env): ConnectLink {
  let resumable: { url: string; session: Buffer } | undefined;

  /** @throws where the address or a PEM text cannot be used */
  function openSocket(target: LinkTarget, { host, port, tls }: GatewayAddress): Socket {
    if (!tls) return connectTcp({ host, port, noDelay: true });
    const socket = connectTls({
      ...target.tls,
      host,
      port,
      servername: /^[\d.]+$|:/.test(host) ? "" : host,
      minVersion: "TLSv1.2",
      ...(resumable?.url === target.url ? { session: resumable.session } : {}),
    });
    socket.on("session", (session) => (resumable = { url: target.url, session }));
    socket.once("error", () => (resumable = undefined));
    return socket.setNoDelay(true);
  }

  return (target, events) => {
    try {
      const address = parseGatewayUrl(target.url);
      return startSession(env, target, events, openSocket(target, address), address.tls);
    } catch (error) {
      const told = env.soon(() => events.down({ reason: "refused", text: messageOf(error) }));
      return { send: () => Promise.resolve(), close: () => told.cancel() };
    }
  };
}

function startSession(env: Env, target: LinkTarget, events: LinkEvents, socket: Socket, tls: boolean): LinkSession {
  const { agent, connectTimeoutMs, keepAliveMs } = target;
  let phase: "connecting" | "greeting" | "subscribing" | "up" | "ended" = "connecting";
  /** Lets go of senders that wait for room. */
  const releases = new Set<() => void>();

  const timedOut = (): void => end({ reason: "timeout", text: "the gateway did not answer in time" });
  // One turn later, since after a stalled disk the answer may already wait in the socket (I7).
  let deadline = env.after(connectTimeoutMs, () => (deadline = env.soon(timedOut)));
  const life = keepAlive(env, keepAliveMs, () => phase === "up" && client.sendPing(), timedOut);

  const stream = guardSocket(socket, (type, flags, bytes) => frameFault(gatewayTypes, type, flags, bytes), {
    alive: () => life.alive(),
    refused: (why) => end(refused(why)),
  });
  const client = new MqttClient(() => stream, clientOptions(env, target));

  function leave(): void {
    phase = "ended";
    deadline.cancel();
    life.stop();
    for (const release of releases) release();
  }

  function end(down: LinkDown): void {
    if (phase === "ended") return;
    leave();
    stream.destroy();
    events.down(down);
  }

  client.on("connect", () => {
    if (phase !== "greeting") return;
    phase = "subscribing";
    client.subscribe(topicDown(agent), { qos: 0 }, (error, _, answer) => {
      // Without an answer the connection is gone, which the socket tells.
      if (phase !== "subscribing" || answer === undefined) return;
      if (error !== null) return end({ reason: "refused", text: "the gateway refused the agent's own topic" });
      phase = "up";
      deadline.cancel();
      events.up();
    });
  });
  client.on("message", (topic, payload) => {
    if (phase === "greeting" || topic !== topicDown(agent)) end(refused("a message came that nobody asked for"));
    // What comes before `up` was meant for a clone of this agent, which hears the same topic.
    if (phase === "up") events.message(payload);
  });
  client.on("error", (error) => {
    const code = "code" in error ? error.code : undefined;
    end(phase === "greeting" && typeof code === "number" ? connackDown(code) : refused(messageOf(error)));
  });

  socket.once(tls ? "secureConnect" : "connect", () => {
    if (phase !== "connecting") return;
    phase = "greeting";
    // Not before: the CONNECT holds the secret, and only now it is known who the gateway is.
    client.connect();
  });
  const fail = (down: LinkDown): void => {
    const showed = phase === "greeting" && tls && target.tls?.cert !== undefined;
    end(down.reason === "lost" && showed ? certificateRefused : down);
  };
  socket.on("error", (error) => fail(socketDown(error)));
  socket.on("close", () => fail(lost("the gateway closed the connection")));

  return {
    send(payload) {
      if (phase !== "up") return Promise.resolve();
      life.sent();
      return new Promise((resolve) => {
        releases.add(resolve);
        writePublish(stream, topicUp(agent), payload, () => {
          releases.delete(resolve);
          resolve();
        });
      });
    },
    close() {
      if (phase === "ended") return;
      const wasUp = phase === "up";
      leave();
      if (!wasUp) return void stream.destroy();
      client.end();
      // The gateway may never take the rest; nothing waits for it longer than this.
      const linger = env.after(lingerMs, () => stream.destroy());
      socket.once("close", () => linger.cancel());
    },
  };
}

function refused(why: string): LinkDown {
  return { reason: "refused", text: `the gateway does not speak as it should: ${why}` };
}

/** The client greets, receives and parses; batches go past it, and it neither reconnects, keeps, waits nor logs by itself. */
function clientOptions(env: Env, { agent, secret, keepAliveMs }: LinkTarget): IClientOptions {
  const seconds = Math.max(Math.ceil((keepAliveMs * 3) / 1000), gatewayPatienceSeconds);
  return {
    protocolVersion: 4,
    clean: true,
    clientId: clientIdOf(agent, env.randomBytes(clientIdRandomBytes)),
    username: agent,
    password: secret,
    keepalive: Math.min(seconds, gatewayPatienceSecondsMax),
    // Its own keep-alive would cut a link on which a batch takes longer, so that one gets timers that never fire.
    timerVariant: { set: () => 0, clear: () => undefined },
    connectTimeout: timerMsMax,
    manualConnect: true,
    reconnectPeriod: 0,
    queueQoSZero: false,
    // A table of all 65,536 packet ids as bytes, which takes 17 MB.
    writeCache: false,
    // With DEBUG set it would print its CONNECT, secret included.
    log: () => undefined,
  };
}
