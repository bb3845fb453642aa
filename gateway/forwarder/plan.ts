/**
 * What one commit writes: the parts of the journal's entries that the *queue* does not have yet, and the positions
 * after it. Pure. The journal's own positions are never asked, because between the queue's commit and the journal's
 * settle they lag behind (I5).
 */
import { lastOf } from "../../shared/block/block.ts";
import { rangesMax } from "../../shared/limits.ts";
import { add, clip, gaps, type Ranges, type Span, touches, withinCount } from "../../shared/ranges.ts";
import type { JournalEntry } from "../journal/journal.ts";
import { laneKey } from "../queue/lane-key.ts";
import type { Lane, LanePosition } from "../queue/queue.ts";

export interface OpenEntry {
  readonly entry: JournalEntry;
  /** What of it nothing has settled before, sorted and disjoint. */
  readonly spans: readonly Span[];
}

export interface Plan {
  /** Entries with something left to write, in the journal's order. */
  readonly open: readonly OpenEntry[];
  /** Entries of which nothing is held: after the commit the queue has all of them. */
  readonly whole: readonly JournalEntry[];
  /** Positions after the commit, of the lanes that it changes. */
  readonly changed: readonly LanePosition[];
  /** Positions after the commit, of every lane of the entries: what the journal takes over. */
  readonly positions: readonly LanePosition[];
}

/**
 * Plans the commit of `entries`.
 * @param forwardedOf the queue's forwarded ranges of a lane, as last committed
 * @param heldOf what of a lane nobody may write now, since a cluster that is away may have it (I5)
 */
export function planCommit(
  entries: readonly JournalEntry[],
  forwardedOf: (lane: Lane) => Ranges,
  heldOf: (lane: Lane) => readonly Span[] = () => [],
): Plan {
  const lanes = new Map<string, { position: LanePosition; isChanged: boolean }>();
  const open: OpenEntry[] = [];
  const whole: JournalEntry[] = [];
  for (const entry of entries) {
    const { lane, storeId, run, block } = entry;
    const key = laneKey(lane);
    const known = lanes.get(key);
    const forwarded = known?.position.forwarded ?? forwardedOf(lane);
    const range = { first: block.first, last: lastOf(block), before: block.before, after: block.after };
    const held = heldOf(lane);
    const missing = gaps(forwarded, range.first, range.last);
    const spans = held.length === 0 ? missing : missing.flatMap(({ first, last }) => gaps(held, first, last));
    if (!missing.some(({ first, last }) => touches(held, first, last))) whole.push(entry);
    const filled = spans.reduce((ranges, span) => add(ranges, clip(range, span)), forwarded);
    // Closed here, where the queue keeps it: an agent forgets the edges inside a forwarded range, so none may come back.
    const after = withinCount(filled, rangesMax);
    const isChanged = spans.length > 0 || known?.isChanged === true;
    lanes.set(key, { position: { lane, storeId, run, forwarded: after }, isChanged });
    if (spans.length > 0) open.push({ entry, spans });
  }
  const all = [...lanes.values()];
  return {
    open,
    whole,
    changed: all.filter((one) => one.isChanged).map((one) => one.position),
    positions: all.map((one) => one.position),
  };
}
