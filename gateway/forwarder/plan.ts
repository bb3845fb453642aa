/**
 * What one commit writes: the parts of the journal's entries that the *queue* does not have yet, and the positions
 * after it. Pure. The journal's own positions are never asked, because between the queue's commit and the journal's
 * settle they lag behind (I5).
 */
import { lastOf } from "../../shared/block/block.ts";
import { rangesMax } from "../../shared/limits.ts";
import { add, clip, gaps, type Ranges, type Span, withinCount } from "../../shared/ranges.ts";
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
  /** Positions after the commit, of the lanes that it changes. */
  readonly changed: readonly LanePosition[];
  /** Positions after the commit, of every lane of the entries: what the journal takes over. */
  readonly positions: readonly LanePosition[];
}

/**
 * Plans the commit of `entries`.
 * @param forwardedOf the queue's forwarded ranges of a lane, as last committed
 */
export function planCommit(entries: readonly JournalEntry[], forwardedOf: (lane: Lane) => Ranges): Plan {
  const lanes = new Map<string, { position: LanePosition; isChanged: boolean }>();
  const open: OpenEntry[] = [];
  for (const entry of entries) {
    const { lane, storeId, run, block } = entry;
    const key = laneKey(lane);
    const known = lanes.get(key);
    const forwarded = known?.position.forwarded ?? forwardedOf(lane);
    const range = { first: block.first, last: lastOf(block), before: block.before, after: block.after };
    const spans = gaps(forwarded, range.first, range.last);
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
    changed: all.filter((one) => one.isChanged).map((one) => one.position),
    positions: all.map((one) => one.position),
  };
}
