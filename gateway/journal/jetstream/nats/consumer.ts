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
/** A new consumer may be known to the server that made it before it is to ours (measured: once in some hundred times). */
const newTriesMax = 50;
const newWaitMs = 10;
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
  let isKnown = false;
  let isWhole = true;

  /** One request; what it brings is added to `found`. */
  async function ask({ messagesMax, bytesMax, waitMs }: ReadLimits, found: StoredMessage[]): Promise<End> {
    let end: End = "broken";
    const request = {
      batch: messagesMax,
      ...(Number.isFinite(bytesMax) ? { max_bytes: bytesMax } : {}),
      expires: waitMs * 1_000_000,
      // Together with `expires`: waits for the first message, and ends as soon as there are no more.
      no_wait: true,
    };
    await jet.pull(`${stream}.${name}`, request, waitMs + lateMs, (pulled) => {
      if (pulled.status !== 0) {
        end = endOf(pulled);
        return true;
      }
      const numbers = numbersOf(pulled.reply);
      if (numbers?.delivered !== delivered + 1) return true;
      delivered = numbers.delivered;
      found.push({ subject: pulled.subject, seq: numbers.seq, bytes: pulled.bytes });
      if (found.length < messagesMax) return false;
      end = "usual";
      return true;
    });
    return end;
  }

  return {
    get isWhole() {
      return isWhole;
    },
    async next(limits) {
      const found: StoredMessage[] = [];
      let end = await ask(limits, found);
      for (let tries = 0; end === "nobody" && !isKnown && tries < newTriesMax; tries++) {
        await jet.wait(newWaitMs);
        end = await ask(limits, found);
      }
      isKnown = true;
      const isTooSmall = end === "too-large" && found.length === 0;
      if (isTooSmall) end = await ask({ ...limits, messagesMax: 1, bytesMax: Number.POSITIVE_INFINITY }, found);
      isWhole = end === "usual" || end === "too-large";
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

/**
 * How a request ended. `usual`: it brought what it asked for, or all there is, or none came in time; `too-large`: the next
 * message has no room in its bytes; `nobody`: no server knows the consumer; `broken`: anything else, also silence.
 */
type End = "usual" | "too-large" | "nobody" | "broken";

function endOf({ status, description }: Pulled): End {
  if (status === 404 || status === 408) return "usual";
  if (status === 503) return "nobody";
  if (status !== 409) return "broken";
  if (description === "Message Size Exceeds MaxBytes") return "too-large";
  return description === "Batch Completed" ? "usual" : "broken";
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
