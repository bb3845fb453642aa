/** A broker with credentials in a temporary folder, raw sockets against it, and waiting for conditions. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import type { LinkDown, LinkSession, LinkTarget } from "../../agent/uplink/link.ts";
import { mqttLink } from "../../agent/uplink/mqtt.ts";
import { type Broker, type BrokerOptions, startBroker } from "../../gateway/ingress/broker.ts";
import { addAgent, openCredentials } from "../../gateway/ingress/credentials.ts";
import { type Env, realEnv } from "../../shared/env.ts";

export interface Gateway {
  readonly broker: Broker;
  readonly folder: string;
  /** The secrets of the agents `pump-1` and `pump-2`. */
  readonly secrets: { readonly "pump-1": string; readonly "pump-2": string };
  /** What arrived, in order. */
  readonly received: { readonly agent: string; readonly payload: Uint8Array }[];
  /** What the broker logged at `info` and above. */
  readonly log: string[];
}

/** The real environment, with every wait of `fromMs` to `toMs` cut to a few ms, so that time-outs can be seen. */
export function hastyEnv(fromMs: number, toMs = Number.POSITIVE_INFINITY): Env {
  const env = realEnv();
  const isCut = (delayMs: number): boolean => delayMs >= fromMs && delayMs <= toMs;
  return { ...env, after: (delayMs, action) => env.after(isCut(delayMs) ? 5 : delayMs, action) };
}

export async function startGateway(t: TestContext, options: Partial<BrokerOptions> = {}): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-mqtt-"));
  const env = options.env ?? realEnv();
  const secrets = { "pump-1": addAgent(folder, "pump-1", env), "pump-2": addAgent(folder, "pump-2", env) };
  const received: { agent: string; payload: Uint8Array }[] = [];
  const log: string[] = [];
  const broker = await startBroker({
    ...(options.tls === undefined ? { listen: { host: "127.0.0.1", port: 0 } } : {}),
    credentials: openCredentials(folder, (fault) => log.push(String(fault))),
    onMessage: (agent, payload) => void received.push({ agent, payload }),
    log: pino({}, { write: (line) => void log.push(line) }),
    ...options,
    env,
  });
  t.after(async () => {
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { broker, folder, secrets, received, log };
}

/** Waits until `holds`; fails after 5 s with the condition's own words. */
export async function until(what: string, holds: () => boolean, withinMs = 5_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export interface RawPeer {
  readonly socket: Socket;
  /** All bytes received so far. */
  readonly bytes: () => Buffer;
  readonly isClosed: () => boolean;
}

/** A socket that speaks no MQTT by itself. */
export async function rawPeer(t: TestContext, port: number | undefined): Promise<RawPeer> {
  const chunks: Buffer[] = [];
  let closed = false;
  const socket = connect({ host: "127.0.0.1", port: port ?? 0 });
  t.after(() => socket.destroy());
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => (closed = true));
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return { socket, bytes: () => Buffer.concat(chunks), isClosed: () => closed };
}

export interface Session {
  readonly link: LinkSession;
  readonly messages: Uint8Array[];
  /** `up` and `down` in the order in which they were told. */
  readonly told: string[];
  readonly downs: LinkDown[];
}

/** A session of the real link, which is closed after the test. */
export function startLink(t: TestContext, target: Partial<LinkTarget>, env: Env = realEnv()): Session {
  const session = { messages: [] as Uint8Array[], told: [] as string[], downs: [] as LinkDown[] };
  const link = mqttLink(env)(
    { url: "", agent: "pump-1", secret: "", connectTimeoutMs: 5_000, keepAliveMs: 60_000, ...target },
    {
      up: () => void session.told.push("up"),
      message: (payload) => void session.messages.push(payload),
      down(down) {
        session.told.push("down");
        session.downs.push(down);
      },
    },
  );
  t.after(() => link.close());
  return { link, ...session };
}

/** A session that is up. */
export async function openLink(t: TestContext, target: Partial<LinkTarget>, env?: Env): Promise<Session> {
  const session = startLink(t, target, env);
  await until("the link is up or down", () => session.told.length > 0);
  if (session.downs[0] !== undefined) throw new Error(`the link is down: ${session.downs[0].text}`);
  return session;
}

/** Where a gateway's plain listener is, and one of its agents. */
export function targetOf(gateway: Gateway, agent: "pump-1" | "pump-2" = "pump-1"): Partial<LinkTarget> {
  return { url: `mqtt://127.0.0.1:${gateway.broker.ports.plain}`, agent, secret: gateway.secrets[agent] };
}
