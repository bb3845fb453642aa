/** Tokens for OAUTHBEARER: the client credentials of OAuth 2 (RFC 6749, 4.4), asked for when one is needed and kept while it is fresh. */
import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import type { Env } from "../../../../shared/env.ts";
import { Fault, messageOf } from "../../../../shared/errors.ts";

export interface TokenOptions {
  /** HTTPS, or HTTP on this machine. */
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string | null;
  /** PEM texts of the authorities that the endpoint's certificate may come from. */
  readonly ca: string | readonly string[];
  readonly env: Env;
}

export interface Token {
  readonly text: string;
  /** Whom it names, as far as it says so. */
  readonly principal: string;
  /** When it ends, ms since 1970 by this machine's clock. */
  readonly untilMs: number;
}

const answerBytesMax = 64 * 1024;
const answerMs = 10_000;
/** An endpoint that names no lifetime leaves it to us. */
const defaultLifetimeMs = 300_000;
const lifetimeMsMax = 86_400_000;
/** A token is used for so much of its life; librdkafka asks again at four fifths. */
const freshPart = 0.75;

/** @returns what gives a fresh token; it rejects with a Fault that is retryable, and names no secret */
export function tokenSource(options: TokenOptions): () => Promise<Token> {
  const { env } = options;
  let latest: { readonly token: Promise<Token>; staleMs: number } | undefined;
  return () => {
    if (latest !== undefined && env.monoMs() < latest.staleMs) return latest.token;
    const one = { token: fetchToken(options), staleMs: Number.POSITIVE_INFINITY };
    latest = one;
    one.token.then(
      ({ untilMs }) => {
        one.staleMs = env.monoMs() + (untilMs - env.wallUs() / 1000) * freshPart;
      },
      () => {
        one.staleMs = 0;
      },
    );
    return one.token;
  };
}

async function fetchToken(options: TokenOptions): Promise<Token> {
  const { tokenEndpoint, env } = options;
  try {
    const answer = parsed(await post(options));
    const { access_token: text, expires_in: seconds } = answer;
    if (typeof text !== "string" || text === "") throw new Error("the answer holds no access_token");
    const lifetimeMs = Number(seconds) > 0 ? Math.min(Number(seconds) * 1_000, lifetimeMsMax) : defaultLifetimeMs;
    return { text, principal: subjectOf(text), untilMs: env.wallUs() / 1000 + lifetimeMs };
  } catch (error) {
    throw new Fault("unauthorised", {
      what: "no token for Kafka could be had",
      why: `${new URL(tokenEndpoint).host}: ${messageOf(error)}`,
      remedy: "check the options under queue.kafka.sasl.oauth, and the endpoint",
      retryable: true,
    });
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return { ...(JSON.parse(text) as object) };
  } catch {
    // The parser's own words quote what it met, which may be a token.
    throw new Error("the answer is not JSON");
  }
}

function post({ tokenEndpoint, clientId, clientSecret, scope, ca }: TokenOptions): Promise<string> {
  const url = new URL(tokenEndpoint);
  const form = new URLSearchParams({ grant_type: "client_credentials", ...(scope === null ? {} : { scope }) });
  // RFC 6749, 2.3.1: both are form-encoded before they are joined.
  const [user, password] = [clientId, clientSecret].map((part) => encodeURIComponent(part));
  const options = {
    method: "POST",
    timeout: answerMs,
    headers: {
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
      accept: "application/json",
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request =
    url.protocol === "https:" ? requestTls(url, { ...options, ca: [ca].flat() }) : requestPlain(url, options);
  request.on("timeout", () => request.destroy(new Error(`no answer within ${answerMs / 1_000} s`)));
  request.on("error", reject);
  request.on("response", (response) => {
    const { statusCode = 0 } = response;
    // What a refusal says may quote what was sent.
    if (statusCode !== 200) request.destroy(new Error(`the endpoint answered ${statusCode}`));
    const parts: Buffer[] = [];
    let sizeBytes = 0;
    response.on("data", (part: Buffer) => {
      sizeBytes += part.length;
      if (sizeBytes > answerBytesMax) request.destroy(new Error("the answer is too large"));
      else parts.push(part);
    });
    response.on("error", reject);
    response.on("end", () => resolve(Buffer.concat(parts).toString()));
  });
  request.end(form.toString());
  return promise;
}

/** The subject of a JWT, which librdkafka wants to know; whether it holds is for the broker to say. */
function subjectOf(token: string): string {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { sub?: unknown };
    return typeof claims.sub === "string" ? claims.sub : "";
  } catch {
    return "";
  }
}
