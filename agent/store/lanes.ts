/**
 * The lanes of a store: what is known of each (stream, epoch) until it is settled. A lane's row is rewritten when
 * positions are applied, blocks merge or leave, but not by every append: what was appended since is found by walking
 * the few rows behind `talliedTo`, which saves a page per commit on flash and keeps the start O(1) (I8).
 */
import type { Chain } from "../../shared/chain.ts";
import { chainStart } from "../../shared/chain.ts";
import { gaps, type Ranges, type Span } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";
import { type BlockState, type BlockTable, blobChain } from "./blocks.ts";

/** How much there is of something. */
export interface Tally {
  blocks: number;
  readings: number;
  bytes: number;
}

export interface Lane {
  readonly run: number;
  readonly stream: number;
  /** Name of the stream. */
  readonly name: string;
  readonly epoch: string;
  /** Last seq given out, 0 before the first, and the chain there. */
  last: number;
  chain: Chain;
  /** What the latest position said that counts: in the open epoch only ranges whose end agreed. */
  journaled: Ranges;
  forwarded: Ranges;
  /** Seqs that a position showed as forwarded in ranges whose end agreed: this store's own content, for ever. */
  verified: readonly Span[];
  /** Seqs that a position lacked and that this store no longer holds. */
  gone: readonly Span[];
  /** The journal whose versions `version` counts; null before the first position. */
  journalId: string | null;
  version: number;
  /** Blocks by state, those of seqs up to `talliedTo` as last saved. */
  tallies: Record<BlockState, Tally>;
  /** Seqs up to here are in the saved tallies. */
  talliedTo: number;
  /** Blocks appended since the tallies were saved. */
  untallied: number;
  /** Seqs that only ranges without a verdict cover; kept in memory, since it holds for one position. */
  waiting: readonly Span[];
}

/** Appended blocks after which a lane's row is written again, so that a start walks no more rows than this. */
export const untalliedBlocksMax = 256;

export interface LaneTable {
  /** A lane without any blocks; its row is written at once. */
  create(run: number, stream: number, name: string, epoch: string): Lane;
  load(run: number, stream: number, name: string, epoch: string): Lane;
  /** The streams that have a lane in an epoch. */
  streamsOf(run: number): number[];
  save(lane: Lane): void;
  remove(run: number): void;
}

interface RawLane {
  last: number;
  journaled: string;
  forwarded: string;
  verified: string;
  gone: string;
  journal_id: string | null;
  version: number;
  tally: string;
  tallied_to: number;
}

const emptyTallies = (): Record<BlockState, Tally> => ({
  0: { blocks: 0, readings: 0, bytes: 0 },
  1: { blocks: 0, readings: 0, bytes: 0 },
  2: { blocks: 0, readings: 0, bytes: 0 },
});

/** Counts a block in, or out with `sign` -1. */
export function count(tally: Tally, block: { count: number; sizeBytes: number }, sign: 1 | -1): void {
  tally.blocks += sign;
  tally.readings += sign * block.count;
  tally.bytes += sign * block.sizeBytes;
}

/** The first seq that no journal is known to have; nothing waits before it. */
export function firstMissing(lane: Lane): number {
  return gaps(lane.journaled, 1, lane.last)[0]?.first ?? lane.last + 1;
}

export function openLanes(db: Db, blocks: BlockTable): LaneTable {
  const get = db.prepare("SELECT * FROM lane WHERE run=? AND stream=?");
  const streams = db.prepare("SELECT stream FROM lane WHERE run=? ORDER BY stream").pluck();
  const put = db.prepare(
    `INSERT OR REPLACE INTO lane(run, stream, last, journaled, forwarded, verified, gone, journal_id, version,
       tally, tallied_to)
     VALUES (?,?,?,?,?,?,?,?,?,?,?)`,
  );
  const drop = db.prepare("DELETE FROM lane WHERE run=?");
  const lastEdge = db.prepare("SELECT last, chain_after FROM edge WHERE run=? AND stream=? ORDER BY last DESC LIMIT 1");

  function save(lane: Lane): void {
    lane.talliedTo = lane.last;
    lane.untallied = 0;
    put.run(
      lane.run,
      lane.stream,
      lane.last,
      JSON.stringify(lane.journaled),
      JSON.stringify(lane.forwarded),
      JSON.stringify(lane.verified),
      JSON.stringify(lane.gone),
      lane.journalId,
      lane.version,
      JSON.stringify(lane.tallies),
      lane.talliedTo,
    );
  }

  return {
    create(run, stream, name, epoch) {
      const lane: Lane = {
        run,
        stream,
        name,
        epoch,
        last: 0,
        chain: chainStart(epoch, name),
        journaled: [],
        forwarded: [],
        verified: [],
        gone: [],
        journalId: null,
        version: 0,
        tallies: emptyTallies(),
        talliedTo: 0,
        untallied: 0,
        waiting: [],
      };
      save(lane);
      return lane;
    },
    load(run, stream, name, epoch) {
      const raw = get.get(run, stream) as RawLane;
      const lane: Lane = {
        run,
        stream,
        name,
        epoch,
        last: raw.last,
        chain: raw.last === 0 ? chainStart(epoch, name) : null,
        journaled: JSON.parse(raw.journaled) as Ranges,
        forwarded: JSON.parse(raw.forwarded) as Ranges,
        verified: JSON.parse(raw.verified) as Span[],
        gone: JSON.parse(raw.gone) as Span[],
        journalId: raw.journal_id,
        version: raw.version,
        tallies: JSON.parse(raw.tally) as Record<BlockState, Tally>,
        talliedTo: raw.tallied_to,
        untallied: 0,
        waiting: [],
      };
      for (const row of blocks.within(run, stream, { first: raw.tallied_to + 1, last: Number.MAX_SAFE_INTEGER })) {
        count(lane.tallies[row.state], row, 1);
        lane.untallied++;
      }
      const tail = blocks.last(run, stream);
      const edge = lastEdge.get(run, stream) as { last: number; chain_after: Buffer | null } | undefined;
      const tailLast = tail === undefined ? 0 : tail.first + tail.count - 1;
      if (tail !== undefined && tailLast >= lane.last && tailLast >= (edge?.last ?? 0)) {
        lane.last = tailLast;
        lane.chain = tail.after;
      } else if (edge !== undefined && edge.last >= lane.last) {
        lane.last = edge.last;
        lane.chain = blobChain(edge.chain_after);
      }
      return lane;
    },
    streamsOf: (run) => streams.all(run) as number[],
    save,
    remove: (run) => void drop.run(run),
  };
}
