/**
 * What POSITION and NACK mean for what is under way: the store applies them to what it keeps, and the sender and the
 * asks go on from there. PROTOCOL §6, §8 and §10.
 */
import { backoffCapMs, backoffMs, backoffRefusedCapMs } from "../../shared/backoff.ts";
import type { Env } from "../../shared/env.ts";
import type { Nack, Position } from "../../shared/protocol/messages.ts";
import { sizeOf } from "../../shared/ranges.ts";
import type { Store } from "../store/store.ts";
import type { Asks } from "./asks.ts";
import { laneKey } from "./flights.ts";
import type { Sender } from "./sender.ts";

export interface Answers {
  /** A session begins: every unsettled lane is asked for and walked anew, and nothing is paused. */
  begin(): void;
  /** @param windowMax batches that may be in flight */
  apply(position: Position, windowMax: number): void;
  refused(nack: Nack): void;
  /** True while the gateway must be left alone. */
  isPaused(): boolean;
  /** Wall time of the last position that was applied, µs; null before the first. */
  lastAckUs(): number | null;
  /** Epochs that had to be given up because somebody else wrote under their name. */
  forks(): number;
}

export interface AnswersOptions {
  readonly sender: Sender;
  readonly asks: Asks;
  /** Something that a person should know. */
  alarm(text: string): void;
  /** Something for status alone. */
  problem(text: string): void;
}

export function createAnswers(store: Store, env: Env, { sender, asks, alarm, problem }: AnswersOptions): Answers {
  let pausedUntilMs = 0;
  let refusals = 0;
  let lastAckUs: number | null = null;
  let forks = 0;

  /** An epoch was given up: what was open is closed now, so every lane is asked for and walked anew. */
  function restart(): void {
    sender.begin();
    asks.begin(store.lanes());
  }

  function reportFork(stream: string): void {
    forks++;
    alarm(`somebody else writes under this agent's name (stream ${stream}): its readings were appended again`);
    restart();
  }

  /** Sends nothing for a while; bounded whatever the gateway asks for (I9). */
  function pause(nack: Nack): void {
    const nowMs = env.monoMs();
    // The batches of one window are refused for one cause, and count once.
    if (nowMs < pausedUntilMs) return;
    const capMs = nack.reason === "full" ? backoffRefusedCapMs : backoffCapMs;
    const hintMs = Math.min(nack.retryAfterMs, backoffRefusedCapMs);
    pausedUntilMs = nowMs + hintMs + backoffMs(refusals++, env.random(), capMs);
  }

  return {
    begin() {
      pausedUntilMs = 0;
      restart();
    },
    apply(position, windowMax) {
      const lane = store.lane(position.stream, position.epoch);
      if (lane === undefined) return;
      const goneBefore = sizeOf(lane.gone);
      const applied = store.apply(lane, position);
      lastAckUs = env.wallUs();
      asks.answered(lane);
      if (applied === "forked") reportFork(lane.name);
      if (applied !== "applied") return;
      if (sender.answered(lane, position.journaled, windowMax)) refusals = 0;
      if (sizeOf(lane.gone) > goneBefore) {
        alarm(`the journal no longer has readings of stream ${lane.name} that this store has given up`);
      }
    },
    refused(nack) {
      problem(`the gateway answered ${nack.reason}`);
      const lane = nack.stream === null || nack.epoch === null ? undefined : store.lane(nack.stream, nack.epoch);
      switch (nack.reason) {
        case "conflict":
          if (lane === undefined) return;
          store.fork(lane);
          reportFork(lane.name);
          return;
        case "expired":
          if (lane === undefined) return;
          store.expire(lane, nack.floor ?? 0);
          restart();
          return;
        case "malformed":
        case "too-large":
        case "unsupported":
          if (lane === undefined || nack.first === null) return;
          sender.flights.drop(laneKey(lane), nack.first);
          sender.flights.rest(laneKey(lane), nack.first, env.monoMs());
          sender.rewind(lane);
          alarm(`the gateway cannot take a block of stream ${lane.name} (${nack.reason}): it is tried again hourly`);
          return;
        default:
          // full, busy, fragmented: everything stays in the store, and the next try comes later each time.
          if (lane !== undefined && nack.first !== null) sender.flights.drop(laneKey(lane), nack.first);
          if (lane !== undefined && nack.first === null) sender.flights.dropLane(laneKey(lane));
          if (lane !== undefined) sender.rewind(lane);
          pause(nack);
      }
    },
    isPaused: () => env.monoMs() < pausedUntilMs,
    lastAckUs: () => lastAckUs,
    forks: () => forks,
  };
}
