/**
 * An uplink against a gateway that answers only as a test says, over a link that a test breaks; clock and timers are the
 * test's too.
 */
import type { TestContext } from "node:test";
import type { LinkDownReason, LinkEvents } from "../../agent/uplink/link.ts";
import { createUplink, type UplinkOptions } from "../../agent/uplink/uplink.ts";
import { decodeMessage, encodeMessage } from "../../shared/protocol/codec.ts";
import type { Batch, DownMessage, Hello, Nack, Position, UpMessage, Welcome } from "../../shared/protocol/messages.ts";
import type { Range } from "../../shared/ranges.ts";
import { type Kept, keptStore, wallUs } from "./agent-store.ts";

export const groupId = "b".repeat(32);
const journalId = "c".repeat(32);
const answerTimeoutMs = 30_000;
/** How often the uplink looks at its time-outs. */
export const tickMs = 1_000;

/** An uplink on `kept`, not started yet, and the gateway that a test speaks for. */
export function scripted(t: TestContext, options: Partial<UplinkOptions> = {}, kept: Kept = keptStore()) {
  const { env, store } = kept;
  const sent: UpMessage[] = [];
  const connects: string[] = [];
  const alarms: string[] = [];
  const waits: (() => void)[] = [];
  let events: LinkEvents | undefined;
  let holdsBack = false;
  const soon = (action: () => void) => env.after(0, action);
  const watched = { ...env, soon };
  const uplink = createUplink(store, watched, {
    gateways: ["sim://one"],
    agentVersion: "test",
    answerTimeoutMs,
    sendWindow: 4,
    lingerMs: 0,
    priorityOf: (stream) => (stream === "alarm" ? 0 : 1),
    alarm: (text) => void alarms.push(text),
    connect(url, now) {
      connects.push(url);
      events = now;
      return {
        send(payload) {
          sent.push(decodeMessage(payload) as UpMessage);
          return holdsBack ? new Promise((resolve) => waits.push(resolve)) : Promise.resolve();
        },
        close() {
          events = undefined;
        },
      };
    },
    ...options,
  });
  t.after(() => uplink.stop());
  /** Lets promises and due timers run. */
  async function settle(ms = 0): Promise<void> {
    for (let i = 0; i < 8; i++) {
      await Promise.resolve();
      env.advance(i === 0 ? ms : 0);
    }
  }
  const take = <T extends UpMessage["type"]>(type: T) => {
    const found = sent.filter((one) => one.type === type) as Extract<UpMessage, { type: T }>[];
    sent.splice(0, sent.length, ...sent.filter((one) => one.type !== type));
    return found;
  };
  const nonce = () => (lastHello as Hello).nonce;
  let lastHello: Hello | undefined;
  async function tell(message: DownMessage): Promise<void> {
    events?.message(encodeMessage(message));
    await settle();
  }
  const welcome = (change: Partial<Welcome> = {}): Welcome => ({
    type: "welcome",
    nonce: nonce(),
    gateway: "one",
    groupId,
    journalId,
    timeUs: wallUs,
    batchBytesMax: 524_288,
    sendWindow: 4,
    codecs: [0, 1, 2],
    gateways: [],
    ...change,
  });
  const position = (
    lane: { stream: string; epoch: string },
    journaled: readonly Range[],
    change: Partial<Position> = {},
  ): Position => ({
    type: "position",
    nonce: nonce(),
    groupId,
    journalId,
    version: 1,
    stream: lane.stream,
    epoch: lane.epoch,
    journaled,
    forwarded: [],
    ...change,
  });
  return {
    ...kept,
    uplink,
    sent,
    connects,
    alarms,
    take,
    tell,
    settle,
    welcome,
    position,
    hello: () => lastHello as Hello,
    holdBack: () => void (holdsBack = true),
    release() {
      holdsBack = false;
      for (const resume of waits.splice(0)) resume();
    },
    async up(): Promise<Hello> {
      events?.up();
      await settle();
      lastHello = take("hello").at(-1);
      return lastHello as Hello;
    },
    async down(reason: LinkDownReason): Promise<void> {
      events?.down({ reason, text: `it is ${reason}` });
      await settle();
    },
    nack: (batch: Batch, change: Partial<Nack>): Nack => ({
      type: "nack",
      nonce: nonce(),
      reason: "busy",
      retryAfterMs: 0,
      stream: batch.stream,
      epoch: batch.record.epoch,
      first: null,
      floor: null,
      ...change,
    }),
    /** Connects, is welcomed, and answers every ASK with an empty position. */
    async join(): Promise<void> {
      uplink.start();
      await this.up();
      await this.tell(welcome());
      await this.answerAsks();
    },
    async answerAsks(): Promise<void> {
      for (let asks = take("ask"); asks.length > 0; asks = take("ask")) {
        for (const ask of asks) for (const entry of ask.entries) await this.tell(position(entry, [], { version: 0 }));
      }
    },
  };
}

/** The lane that a batch belongs to. */
export const laneOf = (batch: Batch) => ({ stream: batch.stream, epoch: batch.record.epoch });
/** The range that a gateway has after it took a batch. */
export function taken(batch: Batch, from = batch.blocks[0]): Range {
  const last = batch.blocks[batch.blocks.length - 1] as Batch["blocks"][number];
  return {
    first: from?.first ?? 1,
    last: last.first + last.count - 1,
    before: from?.before ?? null,
    after: last.after,
  };
}

/** Stream, first and last seq of each batch. */
export const spans = (batches: readonly Batch[]) =>
  batches.map(({ stream, blocks }) => [
    stream,
    blocks[0]?.first,
    (blocks.at(-1)?.first ?? 0) + (blocks.at(-1)?.count ?? 0) - 1,
  ]);
