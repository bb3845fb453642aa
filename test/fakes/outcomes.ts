/** Outcomes, positions and lines for tests of queues and of what writes to them. */
import type { DeadLetter, Lane, LanePosition, Outcome } from "../../gateway/queue/queue.ts";
import { type Block, codecColumns } from "../../shared/block/block.ts";
import type { Span } from "../../shared/ranges.ts";
import type { Value } from "../../shared/reading.ts";

/** A line of the queue after JSON.parse; which members are there depends on the kind. */
export interface Line {
  readonly kind: "reading" | "loss" | "dead-letter";
  readonly agent: string;
  readonly stream: string;
  readonly epoch: string;
  readonly seq?: number;
  readonly firstSeq?: number;
  readonly lastSeq?: number;
  readonly count?: number;
  readonly time?: string;
  readonly timeUs?: number;
  readonly name?: string;
  readonly value?: number | string | boolean;
  readonly valueBase64?: string;
  readonly clock?: string;
  readonly reason?: string;
  readonly codec?: number;
  readonly payloadBase64?: string;
  readonly blockFirst?: number;
  readonly blockCount?: number;
  readonly rawBytes?: number;
  readonly clockSegment?: number;
  readonly clockOffsetUs?: number;
  readonly repeated?: boolean;
}

export const startUs = 1_767_323_045_678_901;

export function laneOf(agent: string, epoch = "0123456789abcdef"): Lane {
  return { agent, stream: "telemetry", epoch };
}

/** A block that stands for others: its bytes say nothing. */
export function blockOf(first: number, count: number): Block {
  const bytes = new Uint8Array();
  return { first, count, before: null, after: null, codec: codecColumns, rawBytes: 0, crc: 0, repeated: false, bytes };
}

/** A block of readings of one series, one second apart, all of whose seqs become lines. */
export function readings(lane: Lane, first: number, values: readonly Value[]): Outcome {
  const count = values.length;
  return {
    lane,
    spans: [{ first, last: first + count - 1 }],
    block: blockOf(first, count),
    body: {
      kind: "readings",
      first,
      columns: {
        count,
        series: [{ name: "temperature", unit: "Cel", labels: { site: "north" }, stamped: true }],
        rowSeries: new Uint16Array(count),
        timesUs: Float64Array.from(values, (_, row) => startUs + row * 1_000_000),
        values,
      },
      clock: { segment: 1, offsetUs: 0, quality: "synced" },
      repeated: false,
    },
  };
}

export function loss(lane: Lane, spans: readonly Span[]): Outcome {
  const [first, last] = [spans[0]?.first ?? 1, spans.at(-1)?.last ?? 1];
  const block = blockOf(first, last - first + 1);
  return { lane, spans, block, body: { kind: "loss", loss: { reason: "quota", fromUs: startUs, toUs: null } } };
}

/** The body of a dead letter whose block begins at `first`. */
export function deadLetter(first: number, count: number, change: Partial<DeadLetter> = {}): DeadLetter {
  const bytes = Buffer.from("what");
  const clock = { segment: 3, offsetUs: -5, quality: "corrected" } as const;
  const block = { first, count, codec: 9, rawBytes: 310, repeated: false, bytes };
  return { kind: "dead-letter", reason: "no codec", ...block, clock, ...change };
}

/** A position that holds the seqs from `first` to `last` as one range. */
export function positionOf(lane: Lane, first: number, last: number): LanePosition {
  const forwarded = [{ first, last, before: "aaaaaaaaaaaaaaaa", after: "bbbbbbbbbbbbbbbb" }];
  return { lane, storeId: "5".repeat(32), run: 1, forwarded };
}
