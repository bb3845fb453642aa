/**
 * What the journal notes of two clusters: which of them takes what is forwarded, and which seqs each of them may have
 * without having released them. A name is noted for a cluster before it is sent there, so that it is never sent to the
 * other one while nobody can ask (I5). One contract suite runs against each journal's ledger and the simulation's.
 */
import type { Ranges, Span } from "../../../shared/ranges.ts";
import type { SwitchRecord } from "../kafka/records/position-records.ts";
import type { Lane } from "../queue.ts";

/** The cluster of `queue.kafka.brokers`, or that of `queue.kafka.standby`. */
export type Side = "primary" | "standby";

export interface LedgerState {
  /** Grows with each change: whoever still acts in an older one is refused. */
  readonly era: number;
  /** The side that takes what is forwarded. */
  readonly active: Side;
  /** The side that an operator has given up: what it may have is sent to the other one, marked as perhaps repeated. */
  readonly abandoned: Side | null;
  /** Which clusters the sides are; null for one that nobody has met under this ledger. */
  readonly clusterIds: Readonly<Record<Side, string | null>>;
  /** True where nobody waits for the other side: what it may have is sent to the active one, marked. */
  readonly isRepeating: boolean;
  /** The latest change; null where there was none. It is what the records of changes tell. */
  readonly change: SwitchRecord | null;
}

/** Seqs of a lane, sorted and disjoint. */
export interface LaneSpans {
  readonly lane: Lane;
  readonly spans: readonly Span[];
}

/** All changes are durable when they resolve; with false, and nothing changed, where another era is the present one. */
export interface Ledger {
  /** Null where nothing is noted under the journal's present id: a journal that is new, or that may have gone back. */
  state(): LedgerState | null;
  /** Which clusters the sides were when anything was noted last, under whichever id; null where nothing ever was. */
  clusterIds(): LedgerState["clusterIds"] | null;
  /** Begins with all that each side has; false where somebody has begun it meanwhile. */
  begin(state: LedgerState, reserved: Readonly<Record<Side, readonly LaneSpans[]>>): Promise<boolean>;
  /** The next era. */
  move(era: number, next: Omit<LedgerState, "era">): Promise<boolean>;
  /** Notes what is about to be sent to the active side; false also where another one is. */
  reserve(era: number, side: Side, names: readonly LaneSpans[]): Promise<boolean>;
  /** Takes back what turned out not to be there. */
  free(era: number, side: Side, names: readonly LaneSpans[]): Promise<boolean>;
  /** What a side may have and the journal does not know as forwarded. */
  reserved(side: Side): LaneSpans[];
  /** What the journal knows as forwarded, whichever side had released it. */
  forwarded(lane: Lane): Ranges;
  /** Forgets everything: there is one cluster again. */
  end(): Promise<void>;
}

export const bothSides = ["primary", "standby"] as const;

export function otherSide(side: Side): Side {
  return side === "primary" ? "standby" : "primary";
}
