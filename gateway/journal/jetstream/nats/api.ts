/** JetStream's JSON API over a link: questions and answers, and publishing with an expectation. */
import { StreamTrouble, type StreamTroubleKind, type Written } from "../stream.ts";
import { type ApiError, troubleMeaning, writeMeaning } from "./api-errors.ts";
import type { NatsLink, Pulled } from "./link.ts";
import { NoAnswer, type Silence } from "./link-errors.ts";

/** An answer of the API: fields by its own names; nothing is known of them until they are looked at. */
export interface Answer {
  readonly error?: ApiError;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface JetStream {
  /**
   * One question.
   * @param operation such as `STREAM.INFO.name`
   * @param answerBytesMax a longer answer is not parsed (I8)
   * @throws StreamTrouble where there is no answer; errors in an answer are for the caller: mustBeFine
   */
  ask(operation: string, body: object | null, answerBytesMax?: number): Promise<Answer>;
  /**
   * Stores a message that follows what it expects.
   * @throws StreamTrouble where it was surely not stored
   */
  publish(stream: string, subject: string, expected: number, bytes: Uint8Array, headers?: Headers): Promise<Written>;
  /** Messages of a consumer: NatsLink.pull. @throws StreamTrouble */
  pull(consumer: string, body: object, patienceMs: number, take: (pulled: Pulled) => boolean): Promise<boolean>;
  wait(ms: number): Promise<void>;
}

export type Headers = Readonly<Record<string, string>>;

const answerBytes = 64 * 1024;
/**
 * A message is refused while another one of its subject is in process. That may be one which is acknowledged already, and
 * only not yet ticked off (measured: once in 80,000 publishes of one publisher, on two busy cores): so it is not overtaken
 * until the other one is stored.
 */
const inProcessTriesMax = 20;
const inProcessWaitMs = 5;
/** How each silence is named where nothing was to be written. */
const troubles: Readonly<Record<Silence, StreamTroubleKind>> = {
  unsent: "away",
  nobody: "away",
  silent: "away",
  refused: "refused",
};

export function jetStream(link: NatsLink): JetStream {
  const probes = new Map<string, Promise<StreamTrouble>>();

  async function ask(operation: string, body: object | null, answerBytesMax = answerBytes): Promise<Answer> {
    const request = body === null ? new Uint8Array() : Buffer.from(JSON.stringify(body));
    const bytes = await link.request(`$JS.API.${operation}`, request).catch((error: unknown) => {
      throw troubleOf(error, operation);
    });
    return answerOf(bytes, answerBytesMax, operation);
  }

  /** Nobody takes a stream's messages where it has no leader, and where it is not there: only the API knows which. */
  async function whyNobody(stream: string): Promise<StreamTrouble> {
    try {
      mustBeFine(await ask(`STREAM.INFO.${stream}`, null));
      return new StreamTrouble("away", `the stream ${stream} has no leader that takes messages now`);
    } catch (error) {
      if (error instanceof StreamTrouble) return error;
      throw error;
    }
  }

  return {
    ask,
    wait: (ms) => link.wait(ms),
    async publish(stream, subject, expected, bytes, headers = {}) {
      const own = {
        ...headers,
        "Nats-Expected-Stream": stream,
        "Nats-Expected-Last-Subject-Sequence": String(expected),
      };
      try {
        for (let tries = 1; ; tries++) {
          const written = writtenOf(await link.request(subject, bytes, own), stream);
          if (written !== "in-process") return written;
          if (tries === inProcessTriesMax) return { outcome: "overtaken" };
          await link.wait(inProcessWaitMs);
        }
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (error.silence === "silent") return { outcome: "unsure" };
        if (error.silence !== "nobody") throw troubleOf(error, `publish to ${stream}`);
        // All publishes in flight find this at once; one question is enough.
        const probe = probes.get(stream) ?? whyNobody(stream).finally(() => probes.delete(stream));
        probes.set(stream, probe);
        throw await probe;
      }
    },
    async pull(consumer, body, patienceMs, take) {
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${consumer}`;
      try {
        return await link.pull(subject, Buffer.from(JSON.stringify(body)), patienceMs, take);
      } catch (error) {
        throw troubleOf(error, "messages");
      }
    },
  };
}

function troubleOf(error: unknown, what: string): unknown {
  if (!(error instanceof NoAnswer)) return error;
  return new StreamTrouble(troubles[error.silence], `no answer from JetStream (${what}): ${error.message}`, {
    cause: error,
  });
}

/** @throws StreamTrouble `refused` for what is no answer */
export function answerOf(bytes: Uint8Array, bytesMax: number, operation: string): Answer {
  if (bytes.length > bytesMax) {
    throw new StreamTrouble(
      "refused",
      `JetStream's answer to ${operation} has ${bytes.length} bytes; ${bytesMax} are allowed`,
    );
  }
  const fields = objectOf(bytes);
  if (fields === undefined) throw new StreamTrouble("refused", `JetStream's answer to ${operation} is no JSON object`);
  const { error } = fields;
  if (typeof error !== "object" || error === null) return { fields };
  const { code, err_code, description } = error as Record<string, unknown>;
  return { fields, error: { code: Number(code), errCode: Number(err_code), description: String(description) } };
}

function objectOf(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** @throws StreamTrouble for an answer that is an error */
export function mustBeFine({ error, fields }: Answer): Readonly<Record<string, unknown>> {
  if (error === undefined) return fields;
  throw new StreamTrouble(troubleMeaning(error), `JetStream says: ${error.description} (${error.errCode})`);
}

/** What an acknowledgement says. One that cannot be understood acknowledges nothing, and denies nothing. */
function writtenOf(bytes: Uint8Array, stream: string): Written | "in-process" {
  if (bytes.length > answerBytes) return { outcome: "unsure" };
  const fields = objectOf(bytes);
  if (fields === undefined) return { outcome: "unsure" };
  if (fields.error === undefined) {
    const { seq } = fields;
    const isWhole = fields.stream === stream && typeof seq === "number" && Number.isSafeInteger(seq) && seq > 0;
    return isWhole ? { outcome: "stored", seq } : { outcome: "unsure" };
  }
  const error = answerOf(bytes, answerBytes, "publish").error as ApiError;
  const meaning = writeMeaning(error);
  const text = `JetStream does not store it: ${error.description} (${error.errCode})`;
  switch (meaning) {
    case "in-process":
      return meaning;
    case "overtaken":
    case "full":
    case "unsure":
      return { outcome: meaning };
    case "defect":
      throw new Error(text);
    default:
      throw new StreamTrouble(meaning, text);
  }
}
