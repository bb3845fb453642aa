/**
 * A connection to the NATS servers, and the only file that imports their client. JetStream is spoken to by its own JSON
 * API over plain requests: the client's package for it takes 8 MB more of memory, sends a publish again by itself, and
 * hides the codes of errors, on which the rules of the journal turn.
 */
import type { ConnectionOptions, Msg, NatsConnection } from "@nats-io/transport-node";
import { backoffMs } from "../../../../shared/backoff.ts";
import type { Env } from "../../../../shared/env.ts";
import { StreamTrouble } from "../stream.ts";
import { NoAnswer, noAnswerOf, refusalOf } from "./link-errors.ts";
import { isSupported, oldestServer } from "./server-rules.ts";
import { loginOf, type NatsSettings, tlsOf } from "./settings.ts";

/** A message that was asked for: one of the stream, or a word of the server about the request. */
export interface Pulled {
  readonly subject: string;
  /** Where it would be acknowledged; the server writes the message's numbers into it. */
  readonly reply: string;
  /** Of a server's word: its code and text, as in HTTP; 0 for a message. */
  readonly status: number;
  readonly description: string;
  readonly bytes: Uint8Array;
}

export interface NatsLink {
  /** Longest message, headers included, that the servers take. */
  readonly payloadBytesMax: number;
  /** @throws NoAnswer */
  request(subject: string, bytes: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<Uint8Array>;
  /**
   * The answers of all who answer, until they are enough, or none came for `quietMs`.
   * @throws NoAnswer
   */
  requestAll(
    subject: string,
    quietMs: number,
    isEnough: (answers: readonly Uint8Array[]) => boolean,
  ): Promise<Uint8Array[]>;
  /**
   * Asks for messages, and gives them to `take` until that says that it has all.
   * @returns false where they stopped to come for `patienceMs` before
   * @throws NoAnswer
   */
  pull(subject: string, bytes: Uint8Array, patienceMs: number, take: (pulled: Pulled) => boolean): Promise<boolean>;
  wait(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** Servers lie in the same network and are few; a gateway that finds none for longer answers nobody. */
const reconnectCapMs = 5_000;
/** No more answers than this many servers would give. */
const answersMax = 256;

/**
 * Connects, and stays connected: to the next server where one goes, for as long as it takes.
 * @throws StreamTrouble `away` where no server answers, `refused` where they do not let this client in or are too old
 * @throws Fault `config` naming a file that cannot be read
 */
export async function connectNats(settings: NatsSettings, env: Env): Promise<NatsLink> {
  const nats = await import("@nats-io/transport-node");
  const { servers, name, login, tls, answerMs } = settings;
  let attempts = 0;
  const options: ConnectionOptions = {
    servers: [...servers],
    name,
    ...(login === null ? {} : { authenticator: loginOf(login, nats) }),
    tls: tls === null ? null : tlsOf(tls, servers),
    timeout: answerMs,
    maxReconnectAttempts: -1,
    // It would give up after two refusals, and credentials are replaced while a gateway runs.
    ignoreAuthErrorAbort: true,
    // Asked at each try, of whichever server; it is the wait until the same one is tried again (I9).
    reconnectDelayHandler: () => backoffMs(attempts++ / servers.length, env.random(), reconnectCapMs),
    // A server that hangs keeps its connections: by default that is noticed after minutes.
    pingInterval: Math.ceil(answerMs / 2),
    maxPingOut: 2,
    // A stack for each request costs more than the request.
    noAsyncTraces: true,
  };
  const connection = await nats.connect(options).catch((error: unknown) => {
    throw refusalOf(error, settings);
  });
  const version = connection.info?.version ?? "";
  if (!isSupported(version)) {
    await connection.close();
    throw new StreamTrouble(
      "refused",
      `the NATS server is ${version || "of no version"}; ${oldestServer} is the oldest fit`,
    );
  }
  let isUp = true;
  const watch = async () => {
    for await (const { type } of connection.status()) {
      if (type === "disconnect") isUp = false;
      if (type === "reconnect") {
        isUp = true;
        attempts = 0;
      }
    }
    isUp = false;
  };
  void watch();

  /** The client keeps for later what is sent while no server is there; nobody would wait for it then. */
  async function mustBeUp(): Promise<void> {
    if (isUp && !connection.isClosed()) return;
    // A caller that tries again at once would otherwise never let the connection come back.
    await new Promise<void>((resolve) => void env.soon(() => resolve()));
    throw new NoAnswer("unsent", "no NATS server is connected");
  }

  return {
    payloadBytesMax: connection.info?.max_payload ?? 0,
    async request(subject, bytes, headers = {}) {
      await mustBeUp();
      const own = nats.headers();
      for (const [key, value] of Object.entries(headers)) own.set(key, value);
      const hasHeaders = Object.keys(headers).length > 0;
      try {
        const answer = await connection.request(subject, bytes, {
          timeout: answerMs,
          ...(hasHeaders ? { headers: own } : {}),
        });
        return answer.data;
      } catch (error) {
        throw noAnswerOf(error);
      }
    },
    async requestAll(subject, quietMs, isEnough) {
      await mustBeUp();
      const answers: Uint8Array[] = [];
      try {
        const options = { strategy: "stall", maxWait: answerMs, stall: quietMs, maxMessages: answersMax } as const;
        for await (const { data } of await connection.requestMany(subject, new Uint8Array(), options)) {
          answers.push(data);
          if (isEnough(answers)) break;
        }
      } catch (error) {
        throw noAnswerOf(error);
      }
      return answers;
    },
    async pull(subject, bytes, patienceMs, take) {
      await mustBeUp();
      return await pullFrom(connection, nats.createInbox(), subject, bytes, patienceMs, take, env);
    },
    wait: (ms) => new Promise((resolve) => void env.after(ms, () => resolve())),
    close: () => connection.close(),
  };
}

function pullFrom(
  connection: NatsConnection,
  inbox: string,
  subject: string,
  bytes: Uint8Array,
  patienceMs: number,
  take: (pulled: Pulled) => boolean,
  env: Env,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      timer.cancel();
      asked.unsubscribe();
      settle();
    };
    const silent = () => end(() => resolve(false));
    let timer = env.after(patienceMs, silent);
    const asked = connection.subscribe(inbox, {
      callback(error, message) {
        if (error) return end(() => reject(noAnswerOf(error)));
        timer.cancel();
        timer = env.after(patienceMs, silent);
        try {
          if (take(pulledOf(message))) end(() => resolve(true));
        } catch (thrown) {
          end(() => reject(thrown));
        }
      },
    });
    connection.publish(subject, bytes, { reply: inbox });
  });
}

function pulledOf({ subject, reply, headers, data }: Msg): Pulled {
  const status = headers?.code ?? 0;
  return { subject, reply: reply ?? "", status, description: headers?.description ?? "", bytes: data };
}
