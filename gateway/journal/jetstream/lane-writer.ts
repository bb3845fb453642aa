/**
 * What ingress asks of the replicated journal: to take a batch, and to tell a position. Of two gateways that write to one
 * lane one wins, and the other one starts again from what it reads (I3, I4). Nothing here ever purges.
 */
import type { Logger } from "pino";
import type { AskEntry, Batch } from "../../../shared/protocol/messages.ts";
import { covers } from "../../../shared/ranges.ts";
import { laneKey } from "../../queue/lane-key.ts";
import type { Lane } from "../../queue/queue.ts";
import { type Turns, takeTurns } from "../../turns.ts";
import { judgeBlocks } from "../dedupe.ts";
import type { Answer, LaneState } from "../journal.ts";
import { withAsk } from "../lane-notes.ts";
import { busyRetryMs, fullRetryMs, refusal, refusedWhole } from "../refusals.ts";
import { encodeLaneMessage, type LaneMessage, type LanePage } from "./messages.ts";
import { subjectOf } from "./names.ts";
import { type Found, type KnownLane, noClock, type Owner, openPositionReader } from "./position-reader.ts";
import { type JournalArchive, type JournalStream, StreamTrouble, type Written } from "./stream.ts";

export interface LaneWriterOptions {
  readonly stream: JournalStream;
  readonly archive: JournalArchive;
  readonly shards: number;
  /** False where new blocks must wait, so that marks and repairs still find room (rule 11). */
  readonly hasRoom: (sizeBytes: number) => boolean;
  readonly log: Logger;
}

export interface LaneWriter {
  /** Takes what is new of a batch; resolves once that is durable on a quorum. @throws StreamTrouble `missing`, `refused` */
  take(agent: string, batch: Batch): Promise<Answer>;
  /** Tells a lane's position as the group has it, never from memory. @throws as `take` */
  ask(agent: string, entry: AskEntry): Promise<Answer>;
  /** Changes what is noted of a lane; false where that must be tried again. A forgotten lane is left alone. @throws as `take` */
  note(lane: Lane, owner: Owner, change: (page: LanePage) => LanePage): Promise<boolean>;
}

/** After that many lost races the agent tries again, perhaps elsewhere. */
const triesMax = 3;
/** Lanes in memory; each may take 50 kB. */
const cachedMax = 1024;
/** Calls of one lane that may wait for the one at work. */
const waitingMax = 64;
const busy = refusedWhole(refusal("busy", null, busyRetryMs));
/** What a message takes beside its blocks, roughly. */
const headBytes = 512;

export function openLaneWriter({ stream, archive, shards, hasRoom, log }: LaneWriterOptions): LaneWriter {
  const reader = openPositionReader(stream, archive, shards, log);
  const known = new Map<string, KnownLane>();
  /** Of the lanes that are being worked on. */
  const turns = new Map<string, Turns>();

  function keep(lane: Lane, found: KnownLane): void {
    const key = laneKey(lane);
    known.delete(key);
    // What a message does not carry on is not kept either: a first one must be read back before it is built on.
    if (found.seq > 0) known.set(key, found);
    for (const oldest of known.keys()) {
      if (known.size <= cachedMax) break;
      known.delete(oldest);
    }
  }

  async function read(lane: Lane, owner: Owner): Promise<Found> {
    const found = await reader.find(lane, owner);
    if (found.kind === "known") keep(lane, found);
    else known.delete(laneKey(lane));
    return found;
  }

  /** Stores a message behind what is known. */
  async function write(lane: Lane, at: KnownLane, message: Omit<LaneMessage, "prev" | "isRepair">): Promise<Written> {
    const bytes = encodeLaneMessage({ ...message, prev: at.seq, isRepair: false });
    known.delete(laneKey(lane));
    const written = await stream.publish(subjectOf(lane, shards), at.seq, bytes);
    if (written.outcome === "stored" && at.seq > 0) {
      const { page, record } = message;
      keep(lane, { kind: "known", seq: written.seq, version: written.seq, page, record });
    }
    return written;
  }

  async function tryTake(lane: Lane, batch: Batch): Promise<Answer | undefined> {
    const cached = known.get(laneKey(lane));
    const found = cached ?? (await read(lane, batch.record));
    if (found.kind === "expired") return refusedWhole({ ...refusal("expired"), floor: found.floor });
    if (found.kind === "unsettled") return busy;
    const { page } = found;
    const { pieces, journaled, refusals } = judgeBlocks(page.journaled, page.forwarded, batch.blocks);
    if (pieces.length === 0) {
      // A position may be told from memory, since it stands somewhere; a refusal may not: it could be out of date.
      const isHeld = batch.blocks.every(({ first, count }) => covers(page.journaled, first, first + count - 1));
      if (cached === undefined || isHeld) return { state: stateOf(lane, found), refusals };
      known.delete(laneKey(lane));
      return undefined;
    }
    if (!hasRoom(pieces.reduce((sum, { bytes }) => sum + bytes.length, headBytes))) {
      return refusedWhole(refusal("full", null, fullRetryMs));
    }
    const next = { ...page, journaled, newest: Math.max(page.newest, batch.newest) };
    const { record, clock } = batch;
    const written = await write(lane, found, { page: next, record, clock, blocks: pieces });
    if (written.outcome === "full") return refusedWhole(refusal("full", null, fullRetryMs));
    if (written.outcome !== "stored" || found.seq === 0) return undefined;
    return { state: stateOf(lane, { version: written.seq, page: next }), refusals };
  }

  async function take(lane: Lane, batch: Batch): Promise<Answer> {
    for (let tries = 0; tries < triesMax; tries++) {
      const answer = await tryTake(lane, batch);
      if (answer !== undefined) return answer;
    }
    return busy;
  }

  async function ask(lane: Lane, entry: AskEntry): Promise<Answer> {
    const found = await read(lane, entry);
    if (found.kind === "expired") return refusedWhole({ ...refusal("expired"), floor: found.floor });
    if (found.kind === "unsettled") return busy;
    if (entry.version > found.version) {
      log.error(
        { ...lane, seen: entry.version, found: found.version },
        "an agent has seen a later position: repairing",
      );
      known.delete(laneKey(lane));
      await reader.repair(lane, entry, found.seq);
      return busy;
    }
    const told = (page: LanePage): LanePage => withAsk(page, entry);
    // A note that was not stored comes again with the next ASK; the position that was read can be told.
    return { state: stateOf(lane, (await noted(lane, found, told)) ?? found), refusals: [] };
  }

  /** Stores a position that only says more; undefined where it was not stored, or must be read back. */
  async function noted(
    lane: Lane,
    found: KnownLane,
    change: (page: LanePage) => LanePage,
  ): Promise<KnownLane | undefined> {
    const page = change(found.page);
    if (page === found.page) return found;
    const written = await write(lane, found, { page, record: found.record, clock: noClock, blocks: [] });
    if (written.outcome !== "stored" || found.seq === 0) return undefined;
    return { ...found, seq: written.seq, version: written.seq, page };
  }

  /** One at a time per lane; `otherwise` where too many wait, or no leader answers. */
  async function inTurn<T>(lane: Lane, otherwise: T, work: () => Promise<T>): Promise<T> {
    const key = laneKey(lane);
    const own = turns.get(key) ?? takeTurns();
    if (own.waiting >= waitingMax) return otherwise;
    turns.set(key, own);
    try {
      return await own.take(work);
    } catch (error) {
      if (!(error instanceof StreamTrouble) || error.kind !== "away") throw error;
      return otherwise;
    } finally {
      if (own.waiting === 0) turns.delete(key);
    }
  }

  return {
    take(agent, batch) {
      const lane = { agent, stream: batch.stream, epoch: batch.record.epoch };
      return inTurn(lane, busy, () => take(lane, batch));
    },
    ask(agent, entry) {
      const lane = { agent, stream: entry.stream, epoch: entry.epoch };
      return inTurn(lane, busy, () => ask(lane, entry));
    },
    note(lane, owner, change) {
      return inTurn(lane, false, async () => {
        const found = await read(lane, owner);
        if (found.kind !== "known") return found.kind === "expired";
        return (await noted(lane, found, change)) !== undefined;
      });
    },
  };
}

function stateOf(lane: Lane, { version, page }: Pick<KnownLane, "version" | "page">): LaneState {
  return { lane, version, journaled: page.journaled, forwarded: page.forwarded };
}
