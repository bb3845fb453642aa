/** Why a batch, or a block of it, is not taken: the same words and hints whatever engine says so (PROTOCOL.md §10). */
import type { NackReason } from "../../shared/protocol/messages.ts";
import type { Answer, Refusal } from "./journal.ts";

export const busyRetryMs = 1_000;
export const fullRetryMs = 60_000;
export const fragmentedRetryMs = 1_000;

export function refusal(reason: NackReason, first: number | null = null, retryAfterMs = 0): Refusal {
  return { reason, first, retryAfterMs, floor: null };
}

export function refusedWhole(why: Refusal): Answer {
  return { state: null, refusals: [why] };
}
