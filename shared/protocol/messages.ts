/**
 * The messages of the sync protocol, version 1, as the state machines see them. PROTOCOL.md tells what they mean and
 * how they look on the wire; codec.ts turns one into the other. Every message is self-sufficient: behind an external
 * broker a BATCH may reach a gateway that never saw the HELLO.
 */
import type { Block } from "../block/block.ts";
import type { Ranges, Span } from "../ranges.ts";

export const protocolVersion = 1;

/** First item of each message on the wire (PROTOCOL.md §3). */
export const wireTypes = { hello: 1, welcome: 2, ask: 3, batch: 4, position: 5, nack: 6 } as const;

/** What a store knows of one of its epochs, and what travels with everything that belongs to it. */
export interface EpochRecord {
  /** 64 random bits, 16 hexadecimal digits. */
  readonly epoch: string;
  /** 128 random bits of the store file that opened the epoch, 32 hexadecimal digits. */
  readonly storeId: string;
  /** Counts the epochs of a store. */
  readonly run: number;
  /** The epoch before this one on that store with its last seq per stream; null for the first. */
  readonly predecessor: { readonly epoch: string; readonly lastSeqs: ReadonlyMap<string, number> } | null;
  /** The epochs whose readings were appended again in this one. */
  readonly givenUp: readonly string[];
}

/** How far the times of a block can be trusted. */
export const clockQualities = ["synced", "corrected", "unsynced"] as const;
export type ClockQuality = (typeof clockQualities)[number];

/** The clock segment of a batch: all its blocks were stamped under one wall clock that did not step. */
export interface Clock {
  /** Numbers the segments of a store. */
  readonly segment: number;
  /** What must be added to the times that the agent stamped, µs; 0 while unknown. */
  readonly offsetUs: number;
  readonly quality: ClockQuality;
}

export interface Hello {
  readonly type: "hello";
  readonly versions: readonly number[];
  readonly agentVersion: string;
  /** 64 random bits that name the session, 16 hexadecimal digits. */
  readonly nonce: string;
  readonly storeId: string;
  /** The group the agent belongs to; null before its first WELCOME. */
  readonly groupId: string | null;
  /** The open epoch; null until its first append. */
  readonly open: EpochRecord | null;
  /** Only epochs with a run below this may be forgotten. */
  readonly lowestUnsettledRun: number;
}

export interface Welcome {
  readonly type: "welcome";
  readonly nonce: string;
  readonly gateway: string;
  readonly groupId: string;
  readonly journalId: string;
  /** The gateway's wall clock, µs since 1970. */
  readonly timeUs: number;
  readonly batchBytesMax: number;
  readonly sendWindow: number;
  /** The block codecs that every member of the group reads. */
  readonly codecs: readonly number[];
  /** URLs of the group's gateways. */
  readonly gateways: readonly string[];
}

export interface AskEntry {
  readonly stream: string;
  readonly epoch: string;
  readonly storeId: string;
  readonly run: number;
  /** Highest version of the position that the agent has seen under this journal id; 0 for none. */
  readonly version: number;
  /** Highest seq that the agent has given out in this (stream, epoch). */
  readonly newest: number;
  /** Seqs that a position lacked and that the agent no longer holds: open until an operator declares them lost. */
  readonly gone: readonly Span[];
}

export interface Ask {
  readonly type: "ask";
  readonly nonce: string;
  readonly groupId: string;
  readonly entries: readonly AskEntry[];
}

export interface Batch {
  readonly type: "batch";
  readonly nonce: string;
  readonly groupId: string;
  readonly stream: string;
  readonly record: EpochRecord;
  /** Highest seq that the agent has given out in this (stream, epoch). */
  readonly newest: number;
  readonly clock: Clock;
  readonly blocks: readonly Block[];
}

export interface Position {
  readonly type: "position";
  readonly nonce: string;
  readonly groupId: string;
  readonly journalId: string;
  /** Counts every change of this position; 0 for an epoch that the journal does not know. */
  readonly version: number;
  readonly stream: string;
  readonly epoch: string;
  readonly journaled: Ranges;
  readonly forwarded: Ranges;
}

export const nackReasons = [
  "too-large",
  "busy",
  "full",
  "malformed",
  "unauthorised",
  "unsupported",
  "fragmented",
  "conflict",
  "expired",
  "other-group",
] as const;
export type NackReason = (typeof nackReasons)[number];

export interface Nack {
  readonly type: "nack";
  readonly nonce: string;
  readonly reason: NackReason;
  readonly retryAfterMs: number;
  readonly stream: string | null;
  readonly epoch: string | null;
  /** First seq of the refused block; null where the refusal is not about one block. */
  readonly first: number | null;
  /** With `expired`: the highest run of that store that was forgotten. */
  readonly floor: number | null;
}

/** What an agent sends. */
export type UpMessage = Hello | Ask | Batch;
/** What a gateway sends. */
export type DownMessage = Welcome | Position | Nack;
export type Message = UpMessage | DownMessage;
