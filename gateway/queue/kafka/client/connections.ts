/**
 * Connections to brokers by the second client, which is written in JavaScript: it can ask what librdkafka's binding
 * cannot. Kafka 3.1 or newer answers it.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Connection, ConnectionPool, metadataV12 as metadataRequest } from "@platformatic/kafka";
import { messageOf } from "../../../../shared/errors.ts";
import { ClusterError, type Place } from "../cluster.ts";
import { isRefusal } from "./librdkafka.ts";
import type { SecondClientSecurity } from "./security.ts";

export interface ConnectionsOptions {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** How long one request waits. */
  readonly answerMs: number;
  readonly security: SecondClientSecurity;
}

export interface Connections {
  /**
   * Tries a question again, at another broker, while nothing says that it will not be answered.
   * @param action completes "could not …"
   * @throws ClusterError `refused` or `away`
   */
  ask<T>(action: string, question: () => Promise<T>, place?: Place): Promise<T>;
  anyBroker(): Promise<Connection>;
  to(broker: { readonly host: string; readonly port: number }): Promise<Connection>;
  /**
   * @param topics null for all; errors of single topics are left in the answer
   * @param withRights says, too, what this client may do with each
   */
  describe(topics: string[] | null, withRights?: boolean): Promise<metadataRequest.MetadataResponse>;
  close(): Promise<void>;
}

/** A leader or coordinator that moves is mostly found again within these; what lasts longer is the caller's to wait for. */
const triesMax = 4;
const betweenTriesMs = 200;

export async function openConnections(options: ConnectionsOptions): Promise<Connections> {
  const { brokers, clientId, answerMs, security } = options;
  // Only here, since a gateway without Kafka starts without it.
  const { ConnectionPool, metadataV12 } = await import("@platformatic/kafka");
  const timeouts = { connectTimeout: answerMs, requestTimeout: answerMs };
  const pool: ConnectionPool = new ConnectionPool(clientId, { ...timeouts, ...security });
  const bootstrap = brokers.map(addressOf);
  let known = bootstrap;
  let turn = 0;
  let closed = false;

  function anyBroker(): Promise<Connection> {
    // A broker that hangs still takes connections, so it does not stay the first.
    const first = turn % known.length;
    return pool.getFirstAvailable([...known.slice(first), ...known.slice(0, first)]);
  }

  return {
    anyBroker,
    to: (broker) => pool.get(broker),
    async ask(action, question, place) {
      for (let tries = 1; ; tries++) {
        try {
          return await question();
        } catch (thrown) {
          const error = clusterErrorOf(action, thrown, place ?? null);
          if (error.trouble === "refused" || tries === triesMax || closed) throw error;
        }
        turn++;
        await wait(betweenTriesMs);
      }
    },
    async describe(topics, withRights = false) {
      const found = await withErrors(metadataV12.api.async(await anyBroker(), topics, false, withRights));
      known = [...bootstrap, ...found.brokers.map(({ host, port }) => ({ host, port }))];
      return found;
    },
    async close() {
      closed = true;
      await pool.close().catch(() => undefined);
    },
  };
}

function addressOf(broker: string): { host: string; port: number } {
  const colon = broker.lastIndexOf(":");
  return { host: broker.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(broker.slice(colon + 1)) };
}

/** An answer that carries errors of its parts is an answer: another topic without a leader must not hide this one. */
export async function withErrors<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { response } = error as { response?: T };
    if (response === undefined) throw error;
    return response;
  }
}

/** @throws ClusterError where the code is not 0 */
export function refuseErrors(code: number): void {
  if (code !== 0)
    throw new ClusterError(isRefusal(code) ? "refused" : "away", `the broker answered with error ${code}`);
}

function clusterErrorOf(action: string, thrown: unknown, place: Place | null): ClusterError {
  const isRefused = thrown instanceof ClusterError ? thrown.trouble === "refused" : causesOf(thrown).some(isRefusing);
  const why = [...new Set(causesOf(thrown).map(messageOf))].join(": ");
  return new ClusterError(isRefused ? "refused" : "away", `could not ${action}: ${why}`, place);
}

function isRefusing(error: unknown): boolean {
  const { code, apiCode } = error as { code?: string; apiCode?: number };
  // Node names what is wrong with a certificate, and the alert of a broker that refuses ours.
  const isAboutTls = code !== undefined && /^ERR_(TLS|SSL)_|CERT|^UNABLE_TO_/.test(code);
  return code === "PLT_KFK_AUTHENTICATION" || isAboutTls || (apiCode !== undefined && isRefusal(apiCode));
}

/** An error with all that it wraps; the client nests them. */
function causesOf(error: unknown): unknown[] {
  const { cause, errors = [] } = (error ?? {}) as { cause?: unknown; errors?: readonly unknown[] };
  return [error, ...(cause === undefined ? [] : causesOf(cause)), ...errors.flatMap(causesOf)];
}
