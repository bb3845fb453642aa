/**
 * Ingress: what a gateway answers to the messages of an agent (PROTOCOL.md §4 and §5). It knows no transport: bytes of
 * an authenticated agent come in, bytes for that agent go out, and durability is the journal's.
 */
import type { Logger } from "pino";
import { codecLoss } from "../../shared/block/block.ts";
import type { Env } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import { batchBytesMax, rangesMax } from "../../shared/limits.ts";
import { decodeMessage, encodeMessage, nonceOf } from "../../shared/protocol/codec.ts";
import type { Ask, Batch, DownMessage, Hello, Message, NackReason } from "../../shared/protocol/messages.ts";
import { protocolVersion } from "../../shared/protocol/messages.ts";
import type { Answer, Journal, LaneState, Refusal } from "../journal/journal.ts";
import { blockFault } from "./check-block.ts";
import { openSeldom } from "./seldom.ts";
import { openSessions } from "./sessions.ts";

export interface IngressOptions {
  readonly journal: Journal;
  /** Sends bytes to an agent; never throws or rejects. Losing them is harmless, since the agent asks again. */
  readonly send: (agent: string, bytes: Uint8Array) => unknown;
  readonly gatewayName: string;
  /** URLs of the group's gateways, for WELCOME. */
  readonly advertise: readonly string[];
  readonly sendWindow: number;
  /** The block codecs that every member of the group reads. */
  readonly codecs: readonly number[];
  readonly env: Env;
  readonly log: Logger;
  /**
   * Something a person should know: an agent of another group, a fork, a block that cannot be taken. Called at most once
   * a minute per kind and agent; the counters count all.
   */
  readonly alarm: (kind: IngressAlarm, agent: string, detail: string) => void;
}

export const ingressAlarms = ["other-group", "conflict", "malformed", "unsupported", "journal-lost"] as const;
export type IngressAlarm = (typeof ingressAlarms)[number];

/** Totals since the start, for status and metrics. */
export interface IngressCounters {
  readonly hellos: number;
  readonly asks: number;
  readonly batches: number;
  readonly blocks: number;
  /** Readings in those blocks, repeats included. */
  readonly readings: number;
  readonly bytes: number;
  readonly nacks: Readonly<Record<NackReason, number>>;
  readonly alarms: Readonly<Record<IngressAlarm, number>>;
}

export interface Ingress {
  /** Handles one message; resolves when it was answered. Never rejects: a peer cannot stop the gateway. */
  handle(agent: string, bytes: Uint8Array): Promise<void>;
  readonly counters: IngressCounters;
}

/** A group or a version does not change by itself. */
const refusedRetryMs = 60_000;
const failedRetryMs = 5_000;

export function startIngress(options: IngressOptions): Ingress {
  const { journal, codecs, env, log } = options;
  const sessions = openSessions();
  const mayTell = openSeldom(env);
  const nacks: Record<NackReason, number> = {
    "too-large": 0,
    busy: 0,
    full: 0,
    malformed: 0,
    unauthorised: 0,
    unsupported: 0,
    fragmented: 0,
    conflict: 0,
    expired: 0,
    "other-group": 0,
  };
  const alarms = Object.fromEntries(ingressAlarms.map((kind) => [kind, 0])) as Record<IngressAlarm, number>;
  const counters = { hellos: 0, asks: 0, batches: 0, blocks: 0, readings: 0, bytes: 0, nacks, alarms };

  function alarm(kind: IngressAlarm, agent: string, detail: string): void {
    alarms[kind]++;
    if (mayTell(kind, agent)) options.alarm(kind, agent, detail);
  }

  function send(agent: string, message: DownMessage): void {
    if (message.type === "nack") nacks[message.reason]++;
    options.send(agent, encodeMessage(message));
  }

  function nack(agent: string, nonce: string, why: Refusal, lane: { stream: string; epoch: string } | null): void {
    const { reason, first, retryAfterMs, floor } = why;
    const { stream, epoch } = lane ?? { stream: null, epoch: null };
    send(agent, { type: "nack", nonce, reason, retryAfterMs, stream, epoch, first, floor });
  }

  /** True where the message is for another group; then it was refused. */
  function isForeign(agent: string, message: Hello | Ask | Batch): boolean {
    if (message.groupId === null || message.groupId === journal.groupId) return false;
    alarm("other-group", agent, `it belongs to group ${message.groupId}`);
    nack(agent, message.nonce, whole("other-group", refusedRetryMs), null);
    return true;
  }

  async function onHello(agent: string, hello: Hello): Promise<void> {
    counters.hellos++;
    if (!hello.versions.includes(protocolVersion)) {
      alarm("unsupported", agent, `it speaks protocol versions ${hello.versions.join(", ")}`);
      nack(agent, hello.nonce, whole("unsupported", refusedRetryMs), null);
      return;
    }
    await journal.hello(agent, hello);
    const journalId = journal.journalId();
    sessions.welcomed(agent, hello.nonce, journalId);
    send(agent, {
      type: "welcome",
      nonce: hello.nonce,
      gateway: options.gatewayName,
      groupId: journal.groupId,
      journalId,
      timeUs: env.wallUs(),
      batchBytesMax,
      sendWindow: options.sendWindow,
      codecs,
      gateways: options.advertise,
    });
  }

  async function onAsk(agent: string, ask: Ask): Promise<void> {
    counters.asks++;
    // A version counts only under the journal id under which the agent saw it. Where the session began under another
    // one, or is not known here, comparing it would renew the id again and again.
    const isComparable = sessions.journalIdOf(agent, ask.nonce) === journal.journalId();
    await Promise.all(
      ask.entries.map(async (entry) => {
        if (entry.gone.length > 0) alarm("journal-lost", agent, `${entry.stream}/${entry.epoch} has seqs nobody holds`);
        const answer = await journal.ask(agent, isComparable ? entry : { ...entry, version: 0 });
        sendAnswer(agent, ask.nonce, entry, answer);
      }),
    );
  }

  async function onBatch(agent: string, batch: Batch): Promise<void> {
    counters.batches++;
    const lane = { stream: batch.stream, epoch: batch.record.epoch };
    const blocks = batch.blocks.filter((block) => {
      const reason = blockFault(block, codecs);
      if (reason === undefined) return true;
      alarm(
        reason === "unsupported" ? reason : "malformed",
        agent,
        `block ${block.first} of ${lane.stream}/${lane.epoch}`,
      );
      nack(agent, batch.nonce, { ...whole(reason, 0), first: block.first }, lane);
      return false;
    });
    const answer = await journal.take(agent, { ...batch, blocks });
    counters.blocks += blocks.length;
    counters.readings += blocks.reduce((sum, block) => sum + (block.codec === codecLoss ? 0 : block.count), 0);
    counters.bytes += blocks.reduce((sum, block) => sum + block.bytes.length, 0);
    sendAnswer(agent, batch.nonce, lane, answer);
  }

  function sendAnswer(agent: string, nonce: string, lane: { stream: string; epoch: string }, answer: Answer): void {
    for (const why of answer.refusals) {
      if (why.reason === "conflict") alarm("conflict", agent, `block ${why.first} of ${lane.stream}/${lane.epoch}`);
      nack(agent, nonce, why, lane);
    }
    if (answer.state !== null) sendPosition(agent, nonce, answer.state);
  }

  function sendPosition(agent: string, nonce: string, { lane, version, journaled, forwarded }: LaneState): void {
    send(agent, {
      type: "position",
      nonce,
      groupId: journal.groupId,
      journalId: journal.journalId(),
      version,
      stream: lane.stream,
      epoch: lane.epoch,
      // Cutting a damaged block can split a range beyond the limit. What is left out here comes again and is held, and
      // the hole closes in the meantime.
      journaled: journaled.slice(0, rangesMax),
      forwarded: forwarded.slice(0, rangesMax),
    });
  }

  function logSeldom(agent: string, error: unknown, text: string): void {
    if (mayTell(text, agent)) log.warn({ agent, err: error }, text);
  }

  /** The message, or undefined where it was refused. Without its nonce an agent would ignore the answer: none is sent. */
  function read(agent: string, bytes: Uint8Array): Message | undefined {
    try {
      return decodeMessage(bytes);
    } catch (error) {
      const reason = error instanceof Fault && error.code === "too-large" ? "too-large" : "malformed";
      logSeldom(agent, error, "a message of an agent cannot be read");
      const nonce = nonceOf(bytes);
      if (nonce === undefined) nacks[reason]++;
      else nack(agent, nonce, whole(reason, refusedRetryMs), null);
      return undefined;
    }
  }

  async function dispatch(agent: string, message: Message): Promise<void> {
    if (message.type === "hello") return isForeign(agent, message) ? undefined : onHello(agent, message);
    if (message.type === "ask") return isForeign(agent, message) ? undefined : onAsk(agent, message);
    if (message.type === "batch") return isForeign(agent, message) ? undefined : onBatch(agent, message);
    logSeldom(agent, undefined, `an agent sent a ${message.type}, which only gateways send`);
  }

  return {
    async handle(agent, bytes) {
      const message = read(agent, bytes);
      if (message === undefined) return;
      try {
        await dispatch(agent, message);
      } catch (error) {
        logSeldom(agent, error, "a message of an agent could not be answered");
        nack(agent, message.nonce, whole("busy", failedRetryMs), null);
      }
    },
    counters,
  };
}

function whole(reason: NackReason, retryAfterMs: number): Refusal {
  return { reason, first: null, retryAfterMs, floor: null };
}
