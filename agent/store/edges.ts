/**
 * The edges of blocks that left the store: (last seq, chain) and what was known of the block. They stay until the epoch
 * is wholly forwarded, because a POSITION may still end at one: without them a quota drop looks like a fork, and its
 * loss record is stranded (PROTOCOL §6).
 */
import type { Chain } from "../../shared/chain.ts";
import type { Span } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";
import { type BlockState, blobChain, chainBlob } from "./blocks.ts";

/** `place` says that the edge marks a place only: its seqs are held by another row (a loss record took them over). */
export const placeOnly = 3;

export interface Edge extends Span {
  readonly after: Chain;
  readonly state: BlockState | typeof placeOnly;
}

export interface EdgeTable {
  put(run: number, stream: number, edge: Edge): void;
  /** The chain at `seq`: undefined where no edge lies there. */
  chainAt(run: number, stream: number, seq: number): Chain | undefined;
  /** The edges whose seqs touch a span, in order. */
  within(run: number, stream: number, span: Span): Edge[];
  setState(run: number, stream: number, last: number, state: BlockState): void;
  /** Drops the edges that lie inside a span, not those at its end. */
  prune(run: number, stream: number, span: Span): void;
  /** The seqs of edges in a state, as spans. */
  inState(run: number, stream: number, state: BlockState): Edge[];
  remove(run: number): void;
}

interface RawEdge {
  first: number;
  last: number;
  chain_after: Buffer | null;
  state: number;
}

const fromRaw = (raw: RawEdge): Edge => ({
  first: raw.first,
  last: raw.last,
  after: blobChain(raw.chain_after),
  state: raw.state as Edge["state"],
});

export function openEdges(db: Db): EdgeTable {
  const put = db.prepare(
    "INSERT OR REPLACE INTO edge(run, stream, last, first, chain_after, state) VALUES (?,?,?,?,?,?)",
  );
  const at = db.prepare("SELECT chain_after FROM edge WHERE run=? AND stream=? AND last=?");
  const within = db.prepare(
    "SELECT first, last, chain_after, state FROM edge WHERE run=? AND stream=? AND last>=? AND first<=? ORDER BY last",
  );
  const setState = db.prepare("UPDATE edge SET state=? WHERE run=? AND stream=? AND last=?");
  const prune = db.prepare("DELETE FROM edge WHERE run=? AND stream=? AND last>=? AND last<?");
  const inState = db.prepare(
    "SELECT first, last, chain_after, state FROM edge WHERE run=? AND stream=? AND state=? ORDER BY last",
  );
  const remove = db.prepare("DELETE FROM edge WHERE run=?");
  return {
    put(run, stream, edge) {
      put.run(run, stream, edge.last, edge.first, chainBlob(edge.after), edge.state);
    },
    chainAt(run, stream, seq) {
      const raw = at.get(run, stream, seq) as { chain_after: Buffer | null } | undefined;
      return raw === undefined ? undefined : blobChain(raw.chain_after);
    },
    within: (run, stream, span) => (within.all(run, stream, span.first, span.last) as RawEdge[]).map(fromRaw),
    setState: (run, stream, last, state) => void setState.run(state, run, stream, last),
    prune: (run, stream, span) => void prune.run(run, stream, span.first, span.last),
    inState: (run, stream, state) => (inState.all(run, stream, state) as RawEdge[]).map(fromRaw),
    remove: (run) => void remove.run(run),
  };
}
