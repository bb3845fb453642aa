/**
 * Readings by HTTP: `POST /v1/readings[?stream=NAME]` as JSON, NDJSON, SenML or Influx line protocol, by content type.
 * 204 says that all readings of the body are committed with fsync (I1); any other answer says that none is.
 *
 *   admit (who, where to, which format) → body (bounded) → parse → intake → answer
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Env } from "../../shared/env.ts";
import { codeOf, Fault, messageOf } from "../../shared/errors.ts";
import { createServer } from "../../shared/node-http.ts";
import { type Admitted, admit, createFormats, type RequestHead } from "./http/admit.ts";
import { answerCommitted, answerFault } from "./http/answer.ts";
import { bodyHead, bodyText } from "./http/body.ts";
import { createBudget } from "./http/budget.ts";
import { type HttpLimits, httpLimits } from "./http/limits.ts";
import type { Input, InputContext } from "./input.ts";

export interface HttpOptions {
  /** The address to listen on: loopback unless the network is trusted, since there is no authentication. */
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** The stream of requests that name none. */
  readonly stream: string;
  /** Largest body, also when decompressed. */
  readonly bodyBytesMax: number;
}

export interface HttpInput extends Input {
  readonly address: { readonly host: string; readonly port: number };
}

/**
 * Starts the input; resolves once it listens.
 * @throws Fault `config` where it cannot listen
 */
export async function startHttp(
  options: HttpOptions,
  context: InputContext,
  limits: HttpLimits = httpLimits,
): Promise<HttpInput> {
  const { intake, env, log } = context;
  const formats = createFormats();
  const admission = { listenHost: options.host, stream: options.stream, streams: context.streams };
  const budget = createBudget(limits.bodiesInFlight * options.bodyBytesMax);
  let stopping = false;

  /** Resolves true once the readings are committed, false where the client went away before they were sent. */
  async function take(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const admitted = admit(headOf(request), admission, formats);
    const head = bodyHead(request, options.bodyBytesMax);
    await budget.take(head.reservedBytes);
    try {
      if (stopping) throw stopped();
      if (request.headers.expect !== undefined) response.writeContinue();
      const text = await bodyText(request, head, options.bodyBytesMax);
      if (text === undefined) return false;
      await append(text, admitted);
      return true;
    } finally {
      budget.give(head.reservedBytes);
    }
  }

  async function append(text: string, { parse, precision, stream }: Admitted): Promise<void> {
    const readings = parse(text, precision, env.wallUs());
    // The whole body is one transaction: it is accepted whole or not at all.
    if (readings.length > 0) await intake.append({ portions: [{ stream, readings }] });
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that resets its connection is no event worth more than this.
    response.on("error", (error) => log.debug({ err: error }, "the HTTP connection broke"));
    try {
      if (await take(request, response)) answerCommitted(response);
    } catch (error) {
      const fault = faultOf(error);
      if (!(error instanceof Fault)) log.error({ err: error }, "the HTTP input failed on a request");
      const status = answerFault(request, response, fault, options.bodyBytesMax);
      log.debug({ status, what: fault.what, why: fault.why }, "refused an HTTP request");
    }
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => void serve(request, response);
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.idleTimeoutMs,
      connectionsCheckingInterval: limits.checkMs,
    },
    listener,
  );
  server.on("checkContinue", listener);
  server.maxConnections = limits.connectionsMax;
  const address = await listen(server, options);
  server.on("error", (error) => log.error({ err: error }, "the HTTP server failed"));
  log.info(address, "taking readings by HTTP");

  return {
    address,
    async stop() {
      stopping = true;
      await close(server, env, limits.stopMs);
    },
  };
}

function headOf(request: IncomingMessage): RequestHead {
  const { headers, method = "", url = "", socket } = request;
  const { host, origin, "content-type": contentType } = headers;
  return { method, url, host, origin, contentType, localAddress: socket.localAddress ?? "" };
}

function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault("internal", { what: "the agent failed on this request", remedy: "see its log" });
}

function stopped(): Fault {
  return new Fault("closed", { what: "the agent is stopping", remedy: "send again later", retryable: true });
}

function listen(server: Server, { host, port }: HttpOptions): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(
        new Fault("config", {
          what: `cannot take readings by HTTP at ${host}:${port}`,
          why: codeOf(cause) === "EADDRINUSE" ? "another process listens there" : messageOf(cause),
          remedy: "choose another address or port, or end that process",
          cause,
        }),
      );
    });
    server.listen(port, host, () => {
      server.removeAllListeners("error");
      const bound = server.address() as AddressInfo;
      resolve({ host: bound.address, port: bound.port });
    });
  });
}

/** Finishes the requests under way, and cuts off what is not done in time. */
function close(server: Server, env: Env, stopMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = env.after(stopMs, () => server.closeAllConnections());
    server.close(() => {
      timer.cancel();
      resolve();
    });
  });
}
