/**
 * The MQTT link: one TCP or TLS connection, MQTT 3.1.1, clean session, QoS 1 as transport only. It keeps no message: a
 * PUBACK says nothing that a POSITION does not say better, and after a loss the uplink sends again from the store.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type GatewayAddress, parseGatewayUrl } from "../../shared/address.ts";
import { clientIdOf, clientIdRandomBytes } from "../../shared/client-id.ts";
import type { Env } from "../../shared/env.ts";
import { messageOf } from "../../shared/errors.ts";
import { frameFault, packetType, scanFrames } from "../../shared/frames.ts";
import { topicDown, topicUp } from "../../shared/topics.ts";
import { keepAlive } from "./keep-alive.ts";
import type { ConnectLink, LinkDown, LinkEvents, LinkSession, LinkTarget } from "./link.ts";
import { certificateRefused, connackDown, lost, socketDown } from "./link-down.ts";
import * as packets from "./packets.ts";

/** How long a closed session may take to deliver what was sent before. */
const lingerMs = 1_000;
/**
 * The least silence that the gateway is asked to bear. It counts whole packets only, so a batch that takes longer than
 * 1.5 times this would be cut off and sent again for ever: this allows 512 kB at 5 kbit/s.
 */
const gatewayPatienceSeconds = 600;
/** Where a gateway bounds it. */
const gatewayPatienceSecondsMax = 7_200;

const { connack, publish, puback, suback, pingresp } = packetType;
const gatewayTypes = [connack, publish, puback, suback, pingresp];

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
  const { agent, secret, connectTimeoutMs, keepAliveMs } = target;
  let phase: "connecting" | "subscribing" | "up" | "ended" = "connecting";
  /** True from the end of a TLS handshake in which the agent showed a certificate until the gateway answers. */
  let certificateAwaitsVerdict = false;
  let lastId = 0;
  let room: PromiseWithResolvers<void> | undefined;

  const nextId = (): number => (lastId = (lastId % 0xffff) + 1);
  const timedOut = (): void => end({ reason: "timeout", text: "the gateway did not answer in time" });
  // One turn later, since after a stalled disk the answer may already wait in the socket (I7).
  let deadline = env.after(connectTimeoutMs, () => (deadline = env.soon(timedOut)));
  const life = keepAlive(env, keepAliveMs, () => socket.write(packets.pingreqPacket), timedOut);

  function write(bytes: Uint8Array): void {
    life.sent();
    socket.write(bytes);
  }

  function leave(): void {
    phase = "ended";
    deadline.cancel();
    life.stop();
    room?.resolve();
  }

  function end(down: LinkDown): void {
    if (phase === "ended") return;
    leave();
    socket.destroy();
    events.down(down);
  }

  /** Acts on a packet and returns why the session ends because of it, where it does. */
  function handle(packet: packets.Packet | undefined): LinkDown | undefined {
    certificateAwaitsVerdict = false;
    if (packet?.type === "connack" && phase === "connecting") {
      if (packet.code !== 0) return connackDown(packet.code);
      phase = "subscribing";
      write(packets.subscribePacket(nextId(), topicDown(agent)));
      return undefined;
    }
    if (packet?.type === "suback" && phase === "subscribing") {
      if (!packet.granted) return { reason: "refused", text: "the gateway refused the agent's own topic" };
      phase = "up";
      deadline.cancel();
      events.up();
      return undefined;
    }
    if (packet?.type === "publish" && phase === "up" && packet.topic === topicDown(agent)) {
      if (packet.id !== null) write(packets.pubackPacket(packet.id));
      events.message(packet.payload);
      return undefined;
    }
    if (packet?.type === "puback" || packet?.type === "pingresp") return undefined;
    return { reason: "refused", text: "the gateway sent an MQTT packet that does not fit" };
  }

  const scan = scanFrames(
    (type, flags, lengthBytes) => frameFault(gatewayTypes, type, flags, lengthBytes),
    (type, flags, body) => {
      // The owner may have closed the session while it handled the packet before this one.
      if (phase === "ended") return;
      const down = handle(packets.readPacket(type, flags, body));
      if (down !== undefined) end(down);
    },
  );
  socket.once(tls ? "secureConnect" : "connect", () => {
    certificateAwaitsVerdict = tls && target.tls?.cert !== undefined;
    const clientId = clientIdOf(agent, env.randomBytes(clientIdRandomBytes));
    const seconds = Math.max(Math.ceil((keepAliveMs * 3) / 1000), gatewayPatienceSeconds);
    const keepAliveSeconds = Math.min(seconds, gatewayPatienceSecondsMax);
    if (phase !== "ended")
      write(packets.connectPacket({ clientId, username: agent, password: secret, keepAliveSeconds }));
  });
  socket.on("data", (chunk: Buffer) => {
    if (phase === "ended") return;
    life.alive();
    const fault = scan(chunk);
    if (fault !== undefined) end({ reason: "refused", text: `the gateway does not speak as it should: ${fault}` });
  });
  socket.on("drain", () => {
    life.alive();
    room?.resolve();
    room = undefined;
  });
  const fail = (down: LinkDown): void => {
    end(down.reason === "lost" && certificateAwaitsVerdict ? certificateRefused : down);
  };
  socket.on("error", (error) => fail(socketDown(error)));
  socket.on("close", () => fail(lost("the gateway closed the connection")));

  return {
    send(payload) {
      if (phase !== "up") return Promise.resolve();
      socket.cork();
      write(packets.publishHead(nextId(), topicUp(agent), payload.length));
      write(payload);
      socket.uncork();
      if (!socket.writableNeedDrain) return Promise.resolve();
      room ??= Promise.withResolvers();
      return room.promise;
    },
    close() {
      if (phase === "ended") return;
      const connected = phase !== "connecting";
      leave();
      if (!connected) return void socket.destroy();
      socket.end(packets.disconnectPacket);
      // The gateway may never take the rest; nothing waits for it longer than this.
      const linger = env.after(lingerMs, () => socket.destroy());
      socket.once("close", () => linger.cancel());
    },
  };
}
