/**
 * Speed of the transport alone: messages that go up and come back through link and broker, beside the same bytes
 * through a bare aedes and mqtt.js with QoS 1. `node bench/mqtt.ts [payload bytes] [messages]` prints both.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes } from "aedes";
import mqtt from "mqtt";
import { pino } from "pino";
import { mqttLink } from "../agent/uplink/mqtt.ts";
import { startBroker } from "../gateway/ingress/broker.ts";
import { addAgent, openCredentials } from "../gateway/ingress/credentials.ts";
import { realEnv } from "../shared/env.ts";

export interface EchoRate {
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
}

/** Messages on their way at the same time, on both sides of the comparison. */
const inFlightMax = 20;
/** A pipe on which nothing moves for this long has lost a message. */
const stalledAfterMs = 5_000;

/** Through the agent's link and the gateway's broker. */
async function echoRate(payloadBytes: number, messages: number): Promise<EchoRate> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  const env = realEnv();
  const secret = addAgent(folder, "bench", env);
  const broker = await startBroker({
    listen: { host: "127.0.0.1", port: 0 },
    credentials: openCredentials(folder, () => undefined),
    onMessage: async (agent, payload) => void (await broker.send(agent, payload)),
    env,
    log: pino({ level: "silent" }),
  });
  const target = { url: `mqtt://127.0.0.1:${broker.ports.plain}`, agent: "bench", secret };
  try {
    return await pump(payloadBytes, messages, (echoed, up, failed) => {
      const link = mqttLink(env)(
        { ...target, connectTimeoutMs: 5_000, keepAliveMs: 60_000 },
        { up, message: echoed, down: (down) => failed(new Error(down.text)) },
      );
      return { send: (payload) => void link.send(payload), close: () => link.close() };
    });
  } finally {
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Through a bare aedes and mqtt.js: a client that hears its own topic. */
export async function bareEchoRate(payloadBytes: number, messages: number): Promise<EchoRate> {
  const aedes = await Aedes.createBroker();
  const server = createServer({ noDelay: true }, (socket) => void aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await pump(payloadBytes, messages, (echoed, up, failed) => {
      const client = mqtt.connect({ host: "127.0.0.1", port, protocol: "mqtt", reconnectPeriod: 0 });
      // Nagle's algorithm would make small messages wait 40 ms for each other, which is no fair comparison.
      (client.stream as Socket).setNoDelay(true);
      client.on("error", failed);
      client.on("message", echoed);
      client.on("connect", () => client.subscribe("echo", { qos: 1 }, up));
      return {
        send: (payload) => void client.publish("echo", payload as Buffer, { qos: 1 }),
        close: () => void client.end(true),
      };
    });
  } finally {
    await new Promise<void>((resolve) => aedes.close(resolve));
    server.close();
  }
}

interface Pipe {
  send(payload: Uint8Array): void;
  close(): void;
}

type OpenPipe = (echoed: () => void, up: () => void, failed: (error: Error) => void) => Pipe;

/** Keeps the pipe full until every message has come back. */
async function pump(payloadBytes: number, messages: number, open: OpenPipe): Promise<EchoRate> {
  const payload = Buffer.alloc(payloadBytes, 7);
  let sent = 0;
  let back = 0;
  const up = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const refill = (): void => {
    for (; sent < messages && sent - back < inFlightMax; sent++) pipe.send(payload);
  };
  const pipe = open(
    () => {
      if (++back === messages) done.resolve();
      else refill();
    },
    () => up.resolve(),
    (error) => {
      up.reject(error);
      done.reject(error);
    },
  );
  await up.promise;
  const started = performance.now();
  let backBefore = -1;
  const watch = setInterval(() => {
    if (back === backBefore) done.reject(new Error(`${sent - back} of ${sent} messages did not come back`));
    backBefore = back;
  }, stalledAfterMs);
  refill();
  await done.promise.finally(() => {
    clearInterval(watch);
    pipe.close();
  });
  const seconds = (performance.now() - started) / 1000;
  return { messagesPerSecond: messages / seconds, bytesPerSecond: (messages * payloadBytes) / seconds };
}

if (import.meta.main) {
  const payloadBytes = Number(process.argv[2] ?? 10_000);
  const messages = Number(process.argv[3] ?? 20_000);
  for (const [name, rateOf] of [
    ["link and broker", echoRate],
    ["bare aedes and mqtt.js", bareEchoRate],
  ] as const) {
    const { messagesPerSecond, bytesPerSecond } = await rateOf(payloadBytes, messages);
    console.log(`${name}: ${Math.round(messagesPerSecond)} messages/s, ${Math.round(bytesPerSecond / 1e6)} MB/s`);
  }
}
