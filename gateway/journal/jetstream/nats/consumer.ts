/**
 * Reading a stream in order, by consumers of JetStream that live in the memory of one server and end by themselves. The
 * server numbers what it delivers, so that a hole in what arrives is noticed: then the consumer is dropped, and the next
 * read begins anew behind what arrived.
 */
import { type ReadLimits, type StoredMessage, StreamTrouble } from "../stream.ts";
import { type JetStream, mustBeFine } from "./api.ts";
import type { Pulled } from "./link.ts";

/** What a consumer is to deliver, in JetStream's own words. */
export type ConsumerWish = Readonly<Record<string, unknown>> & { readonly filter_subject: string };

export interface Consumer {
  /**
   * The next messages, as soon as there are any; none where none came in time.
   * @throws StreamTrouble where it is not usable any more: also when `isWhole` is false
   */
  next(limits: ReadLimits): Promise<readonly StoredMessage[]>;
  /** False once something was missing or it did not answer: what it delivered until then is right. */
  readonly isWhole: boolean;
  drop(): void;
}

/** A consumer that nobody asks is removed by the server. */
const idleNs = 60_000_000_000;
/** How long the server may be silent beyond the time that it was given. */
const lateMs = 5_000;

/** @throws StreamTrouble */
export async function openConsumer(jet: JetStream, stream: string, wish: ConsumerWish): Promise<Consumer> {
  const config = {
    ack_policy: "none",
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: idleNs,
    ...wish,
  };
  const fields = mustBeFine(await jet.ask(`CONSUMER.CREATE.${stream}`, { stream_name: stream, config }));
  const name = String(fields.name);
  let delivered = 0;
  let isWhole = true;

  /** One request; resolves to false where the very first message is too large for its limits. */
  async function ask({ messagesMax, bytesMax, waitMs }: ReadLimits, found: StoredMessage[]): Promise<boolean> {
    let isTooSmall = false;
    const request = {
      batch: messagesMax,
      ...(Number.isFinite(bytesMax) ? { max_bytes: bytesMax } : {}),
      expires: waitMs * 1_000_000,
      // Together with `expires`: waits for the first message, and ends as soon as there are no more.
      no_wait: true,
    };
    const isEnded = await jet.pull(`${stream}.${name}`, request, waitMs + lateMs, (pulled) => {
      if (pulled.status !== 0) {
        isTooSmall = pulled.description === "Message Size Exceeds MaxBytes";
        isWhole &&= isTooSmall || isUsual(pulled);
        return true;
      }
      const numbers = numbersOf(pulled.reply);
      if (numbers?.delivered !== delivered + 1) {
        isWhole = false;
        return true;
      }
      delivered = numbers.delivered;
      found.push({ subject: pulled.subject, seq: numbers.seq, bytes: pulled.bytes });
      return found.length >= messagesMax;
    });
    isWhole &&= isEnded;
    return !isTooSmall || found.length > 0;
  }

  return {
    get isWhole() {
      return isWhole;
    },
    async next(limits) {
      const found: StoredMessage[] = [];
      const hasRoom = await ask(limits, found);
      if (!hasRoom) await ask({ messagesMax: 1, bytesMax: Number.POSITIVE_INFINITY, waitMs: limits.waitMs }, found);
      if (!isWhole && found.length === 0) {
        throw new StreamTrouble("away", `the consumer of ${stream} on a NATS server is gone or left something out`);
      }
      return found;
    },
    drop() {
      // The server would remove it later by itself; whether it hears this does not matter.
      jet.ask(`CONSUMER.DELETE.${stream}.${name}`, null).catch(() => {});
    },
  };
}

/** Words that end a request and say nothing against the consumer: all delivered, no more there, none came in time. */
function isUsual({ status, description }: Pulled): boolean {
  return status === 404 || status === 408 || (status === 409 && description === "Batch Completed");
}

/**
 * The numbers of a delivery, from the subject on which it would be acknowledged:
 * `$JS.ACK.<stream>.<consumer>.<times>.<seq>.<delivered>.<time>.<pending>`; a longer form has two more names in front.
 */
function numbersOf(reply: string): { seq: number; delivered: number } | undefined {
  const words = reply.split(".");
  const at = words.length === 9 ? 5 : words.length >= 11 ? 7 : -1;
  const seq = Number(words[at]);
  const delivered = Number(words[at + 1]);
  return Number.isSafeInteger(seq) && Number.isSafeInteger(delivered) ? { seq, delivered } : undefined;
}
