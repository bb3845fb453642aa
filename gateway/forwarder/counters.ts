/** What the forwarder has done since its start: plain numbers for status and metrics. */
import type { LossReason } from "../../shared/block/loss.ts";

import { sizeOf } from "../../shared/ranges.ts";
import type { Outcome } from "../queue/queue.ts";

export interface ForwarderTotals {
  readonly commits: number;
  readonly readings: number;
  readonly deadLetters: number;
  /** Blocks whose CRC did not hold and that were cut. */
  readonly cut: number;
  /** Seqs named in loss records, by reason. */
  readonly lost: Readonly<Record<LossReason, number>>;
  /** Time since the queue last took something, ms; null where it took nothing since the start. */
  readonly committedAgoMs: number | null;
  /** Readings forwarded per second, averaged over about the last half minute. */
  readonly readingsPerSecond: number;
}

/** Time after which a rate has forgotten all but a third of what was before. */
const rateMs = 30_000;

export function openTotals(nowMs: number) {
  const lost: Record<LossReason, number> = { quota: 0, thinned: 0, corrupt: 0, "store-lost": 0, "journal-lost": 0 };
  const totals = { commits: 0, readings: 0, deadLetters: 0, cut: 0, lost, readingsPerSecond: 0 };
  let committedMs: number | null = null;
  let ratedMs = nowMs;
  let ratedReadings = 0;

  return {
    committed(outcomes: readonly Outcome[], atMs: number): void {
      totals.commits++;
      committedMs = atMs;
      for (const { spans, body } of outcomes) {
        if (body.kind === "readings") totals.readings += sizeOf(spans);
        else if (body.kind === "loss") lost[body.loss.reason] += sizeOf(spans);
        else totals.deadLetters++;
      }
    },
    cut: (): void => void totals.cut++,
    read(atMs: number): ForwarderTotals {
      const passedMs = atMs - ratedMs;
      if (passedMs >= 100) {
        const rate = ((totals.readings - ratedReadings) * 1000) / passedMs;
        const weight = 1 - Math.exp(-passedMs / rateMs);
        totals.readingsPerSecond += (rate - totals.readingsPerSecond) * weight;
        ratedMs = atMs;
        ratedReadings = totals.readings;
      }
      return { ...totals, lost: { ...lost }, committedAgoMs: committedMs === null ? null : atMs - committedMs };
    },
  };
}
