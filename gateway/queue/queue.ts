/**
 * The queue contract: where the line ends. An engine commits records and positions in one atomic step (I5); after a
 * crash the forwarder goes on from the positions that the engine gives back. One contract suite runs against every
 * engine and the fake.
 */
import type { Block } from "../../shared/block/block.ts";
import type { Columns } from "../../shared/block/columns.ts";
import type { LossRecord } from "../../shared/block/loss.ts";
import type { Clock } from "../../shared/protocol/messages.ts";
import type { Ranges, Span } from "../../shared/ranges.ts";
import type { DeadLetters } from "./dead-letters.ts";

/** Names one (agent, stream, epoch). */
export interface Lane {
  readonly agent: string;
  readonly stream: string;
  readonly epoch: string;
}

/** What becomes of some seqs of a lane: each ends in exactly one outcome. */
export interface Outcome {
  readonly lane: Lane;
  /** The seqs that this outcome settles: parts of the block that nothing settled before, sorted and disjoint. */
  readonly spans: readonly Span[];
  /** What the journal held for them, as it came: its chains stand at the ends of the spans that reach its own ends. */
  readonly block: Block;
  readonly body:
    | {
        readonly kind: "readings";
        /** Seq of the first row of `columns`. */
        readonly first: number;
        readonly columns: Columns;
        readonly clock: Clock;
        readonly repeated: boolean;
      }
    | { readonly kind: "loss"; readonly loss: LossRecord }
    | DeadLetter;
  /** True where a cluster that cannot be asked any more may have the same: it is marked where it is written. */
  readonly isDoubted?: boolean;
}

/** A block that could not be turned into readings, with all that a replay needs to try again. */
export interface DeadLetter extends Pick<Block, "first" | "count" | "codec" | "rawBytes" | "repeated" | "bytes"> {
  readonly kind: "dead-letter";
  readonly reason: string;
  readonly clock: Clock;
}

/** The forwarded ranges of a lane after a commit, and which store and run it belongs to. */
export interface LanePosition {
  readonly lane: Lane;
  readonly storeId: string;
  readonly run: number;
  readonly forwarded: Ranges;
}

/** The highest run of a store that was forgotten: an unknown epoch at or below it is never taken as new. */
export interface Floor {
  readonly agent: string;
  readonly storeId: string;
  readonly run: number;
}

/**
 * How far a queue has come since it was opened. An engine that can lose the end of what it has committed (a Kafka
 * cluster whose machines lose power) releases a step only once nothing can take it back; until then the journal keeps
 * the entries.
 */
export interface Progress {
  /**
   * Grows when the engine began anew from what it really holds: `forwarded` may then know less than before, and steps
   * count from 0 again.
   */
  readonly generation: number;
  /** Steps committed in this generation. */
  readonly committed: number;
  /** The latest of them that is released, with all before it; below 0 until all is that was there at the opening. */
  readonly released: number;
}

export interface Queue {
  /** Made once with the queue; a different one means a different queue. */
  readonly queueId: string;
  /** The group this queue belongs to; it outlives every journal. */
  readonly groupId: string;
  progress(): Progress;
  /** Calls `listener` when steps were released outside of a commit, and when a new generation has begun. */
  onProgress(listener: () => void): void;
  /** All positions, as last committed. */
  positions(): Iterable<LanePosition>;
  /** The forwarded ranges of one lane, as last committed; empty for an unknown lane. */
  forwarded(lane: Lane): Ranges;
  /**
   * What of a lane is forwarded and released: the queue cannot lose it any more. Only this may a journal tell as
   * forwarded where it has nothing of its own; agents let go of it.
   */
  released(lane: Lane): Ranges;
  /** The same of all lanes of which anything is. */
  releasedPositions(): Iterable<LanePosition>;
  /**
   * What of a lane must not be written now: a cluster that is away may have it (I5). A new generation begins once that
   * is known. Absent where there is but one place to write to.
   */
  readonly held?: ((lane: Lane) => readonly Span[]) | undefined;
  floors(): Iterable<Floor>;
  /**
   * Writes the records of all outcomes and the new positions in one atomic, durable step.
   * @throws Fault `full` (retryable): neither records nor positions changed. `unavailable` (retryable): the same, or
   * the step landed and only its answer was lost: whoever tries again reads `forwarded` first and leaves out what is
   * there (I5). `bad-input`: a body holds what no reading can; nothing changed.
   */
  commit(outcomes: readonly Outcome[], positions: readonly LanePosition[]): Promise<void>;
  /** Raises a floor and deletes the positions of the forgotten lanes in one atomic, durable step. */
  forget(floor: Floor, lanes: readonly Lane[]): Promise<void>;
  /**
   * What was released, and has been found missing since the opening: nobody can write it again. A sentence each, for a
   * person. Absent where the engine would not know.
   */
  readonly gone?: (() => readonly string[]) | undefined;
  /** Why nothing is released for longer than usual, though all of it is there; null where that is not so. */
  readonly holdsBack?: (() => string | null) | undefined;
  /** Absent where the engine replays none. */
  readonly deadLetters?: DeadLetters | undefined;
  close(): Promise<void>;
}
