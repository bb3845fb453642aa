/**
 * What operators and their monitors read: `/healthz`, `/metrics` and `/status` over HTTP on loopback. It only ever
 * answers GET, and only to requests that name this machine, so that no web page can read it through a foreign name.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";
import { codeOf, Fault, messageOf } from "./errors.ts";
import { createServer } from "./node-http.ts";

export interface Health {
  /** `ok`; `degraded`: something needs attention, nothing is refused; `failing`: readings are refused. */
  readonly status: "ok" | "degraded" | "failing";
  /** Why the status is not `ok`, in whole sentences. */
  readonly reasons: readonly string[];
}

export interface AdminSources {
  health(): Health;
  /** What the `status` command prints; plain JSON. */
  status(): unknown;
  /** Asked for with the first scrape, so that nobody pays for metrics who does not read them. */
  metrics(): Promise<Registry>;
}

export interface Admin {
  readonly port: number;
  stop(): Promise<void>;
}

const connectionsMax = 16;
const requestTimeoutMs = 5_000;
const ownHost = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/**
 * Starts the server.
 * @param port 0 chooses a free one
 * @throws Fault `unavailable` where the address cannot be had
 */
export async function startAdmin(host: string, port: number, sources: AdminSources): Promise<Admin> {
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
    (request, response) => {
      answer(request, response, sources).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else sendText(response, 500, `${messageOf(error)}\n`);
      });
    },
  );
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenFault(host, port, error)));
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listenFault(host: string, port: number, error: Error): Fault {
  return new Fault("unavailable", {
    what: `the admin address ${host}:${port} cannot be used`,
    why: codeOf(error) === "EADDRINUSE" ? "another process listens there" : messageOf(error),
    remedy: "stop that process or set another address at admin.listen",
    cause: error,
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, sources: AdminSources): Promise<void> {
  request.resume();
  if (!ownHost.test(request.headers.host ?? "")) return sendText(response, 403, "use http://127.0.0.1 or localhost\n");
  if (request.method !== "GET" && request.method !== "HEAD") return sendText(response, 405, "only GET\n");
  switch (request.url?.split("?", 1)[0]) {
    case "/healthz": {
      const health = sources.health();
      return sendJson(response, health.status === "failing" ? 503 : 200, health);
    }
    case "/status":
      return sendJson(response, 200, sources.status());
    case "/metrics": {
      const registry = await sources.metrics();
      return send(response, 200, registry.contentType, await registry.metrics());
    }
    default:
      return sendText(response, 404, "there are /healthz, /metrics and /status\n");
  }
}

function sendJson(response: ServerResponse, code: number, value: unknown): void {
  send(response, code, "application/json", `${JSON.stringify(value)}\n`);
}

function sendText(response: ServerResponse, code: number, text: string): void {
  send(response, code, "text/plain; charset=utf-8", text);
}

function send(response: ServerResponse, code: number, type: string, body: string): void {
  response.writeHead(code, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  // Node drops the body of an answer to HEAD by itself.
  response.end(body);
}
