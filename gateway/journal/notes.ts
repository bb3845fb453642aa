/**
 * What agents tell beside their blocks: how far a lane goes, where a finished epoch ended, what was given up, what is
 * gone. None of it settles a seq; it decides when an epoch is full and what is reported (PROTOCOL.md §5 and §8).
 */
import type { AskEntry, EpochRecord, Hello } from "../../shared/protocol/messages.ts";
import { beyond, gaps, merged, type Span } from "../../shared/ranges.ts";
import type { Lane } from "../queue/queue.ts";
import { knownEnd, reportedSpansMax, withAsk } from "./lane-notes.ts";
import type { LaneRow } from "./lanes.ts";
import type { Tables } from "./tables.ts";

/** Lanes of one agent. With `epochsKept` settled epochs of a few streams each there is room for years of restarts. */
const lanesPerAgentMax = 4096;
/** Store files of one agent that are kept in mind. */
const storesPerAgentMax = 1024;

/** The row of a lane, made where there is none; undefined where the agent has too many lanes already. */
export function ensureLane(tables: Tables, lane: Lane, storeId: string | null, run: number): LaneRow | undefined {
  const { lanes } = tables;
  const found = lanes.find(lane);
  if (found !== undefined) {
    // A note made from a successor's record only guesses the run; what the epoch itself says is right.
    return found.version === 0 && found.run !== run ? lanes.save({ ...found, storeId, run }) : found;
  }
  return lanes.countOf(lane.agent) >= lanesPerAgentMax ? undefined : lanes.create(lane, storeId, run);
}

function report(tables: Tables, row: LaneRow, spans: readonly Span[]): void {
  const lost = merged([...row.lost, ...beyond(spans, row.journaled)]).slice(0, reportedSpansMax);
  tables.lanes.save({ ...row, lost });
}

/** A journal that lacks what a store is known to have given out reports it; only an operator may call it lost. */
function noteEnd(tables: Tables, row: LaneRow, last: number): void {
  const ended = tables.lanes.save({ ...row, last: Math.max(row.last ?? 0, last) });
  if (row.newest > last) report(tables, ended, [{ first: last + 1, last: row.newest }]);
}

/** Notes the record of an epoch: where its predecessor ended, and which epochs it gave up. */
export function noteRecord(tables: Tables, agent: string, record: EpochRecord): void {
  if (!tables.epochs.note(agent, record)) return;
  const { predecessor, givenUp } = record;
  if (predecessor !== null) {
    const { epoch, lastSeqs } = predecessor;
    for (const [stream, last] of lastSeqs) {
      const lane = { agent, stream, epoch };
      const row = tables.lanes.find(lane);
      if (row !== undefined) noteEnd(tables, row, last);
      // An epoch at or below the floor was forwarded and forgotten. A note of it would look like seqs that a lost store
      // took along, and declaring these lost would settle them twice (I4). The run before this one is exact wherever it
      // lies above the floor: only an agent that was told a floor skips runs.
      else if (last > 0 && record.run - 1 > tables.stores.floorOf(agent, record.storeId)) {
        const made = ensureLane(tables, lane, record.storeId, record.run - 1);
        if (made !== undefined) noteEnd(tables, made, last);
      }
    }
    // A stream that the record does not name has ended where nothing was given out.
    for (const row of tables.lanes.ofAgent(agent)) {
      if (row.lane.epoch === epoch && !lastSeqs.has(row.lane.stream)) noteEnd(tables, row, 0);
    }
  }
  if (givenUp.length === 0) return;
  for (const row of tables.lanes.ofAgent(agent)) {
    if (row.givenUp || !givenUp.includes(row.lane.epoch)) continue;
    // What it lacked stands in the successor under new names. Another copy of the card may still live in this epoch:
    // what that one reports as gone from here on is reported.
    tables.lanes.save({ ...row, givenUp: true, gone: [], lost: [] });
  }
}

/**
 * Notes a HELLO. A known agent that comes with an unknown store and without a predecessor has lost its card or got a
 * new one: what the old one had given out and nobody has journaled is reported as lost with its store.
 */
export function noteHello(tables: Tables, agent: string, hello: Hello): void {
  const { stores, lanes } = tables;
  const isKnownStore = stores.find(agent, hello.storeId) !== null;
  if (!isKnownStore && stores.isKnown(agent) && !hello.open?.predecessor) {
    for (const row of lanes.ofAgent(agent)) {
      const missing = row.givenUp ? [] : gaps(row.journaled, 1, knownEnd(row));
      if (missing.length > 0 && row.storeId !== hello.storeId) report(tables, row, missing);
    }
  }
  if (isKnownStore || stores.countOf(agent) < storesPerAgentMax) {
    stores.noteLowestUnsettled(agent, hello.storeId, hello.lowestUnsettledRun);
  }
  if (hello.open !== null) noteRecord(tables, agent, hello.open);
}

/** Notes how far a lane goes. */
export function noteNewest(tables: Tables, row: LaneRow, newest: number): LaneRow {
  return newest > row.newest ? tables.lanes.save({ ...row, newest }) : row;
}

/** Notes an ASK entry: how far the lane goes, and which seqs its agent cannot send any more. */
export function noteAsk(tables: Tables, agent: string, entry: AskEntry): LaneRow | undefined {
  const lane = { agent, stream: entry.stream, epoch: entry.epoch };
  if (entry.newest === 0 && tables.lanes.find(lane) === undefined) return undefined;
  const found = ensureLane(tables, lane, entry.storeId, entry.run);
  if (found === undefined) return undefined;
  const told = withAsk(found, entry);
  return told === found ? found : tables.lanes.save(told);
}
