/**
 * Making room (I2, I6): forwarded blocks go first, then journaled ones; only then do waiting readings give way, of
 * streams that allow it and are not more important than the one that needs the room, each with a loss record.
 */
import { lastOf } from "../../shared/block/block.ts";
import { type BlockRow, type BlockState, forwarded, journaled, pending, rowBytes } from "./blocks.ts";
import { type Core, lanesOf, type StreamOptions } from "./core.ts";
import { removeRows } from "./damage.ts";
import { count, firstMissing, type Lane } from "./lanes.ts";
import { pruneEdges } from "./settle.ts";

/** What a block takes in the file. */
const footprint = (row: BlockRow): number => row.sizeBytes + rowBytes;
/** Rows dropped into one loss record at once: bounds memory and the time of one step. */
const rowsAtOnce = 256;

/** Tells which blocks are in flight now: these are not dropped, since their fate is about to be known. */
export type InFlight = (row: BlockRow) => boolean;

/**
 * Frees at least `wantedBytes` for a stream, as far as the policies allow. Must run inside `transact`.
 * @returns the bytes freed
 */
export function makeRoom(core: Core, wantedBytes: number, stream: StreamOptions, inFlight: InFlight): number {
  let freed = freeDone(core, wantedBytes);
  for (const state of [forwarded, journaled] as const) {
    for (const lane of lanesOf(core)) {
      if (freed >= wantedBytes) return freed;
      if (lane.tallies[state].blocks > 0) freed += freeDelivered(core, lane, state, wantedBytes - freed);
    }
  }
  for (const victim of victimsFor(core.streams, stream)) {
    for (const lane of lanesOf(core)) {
      if (freed >= wantedBytes) return freed;
      if (lane.name === victim.name && lane.tallies[pending].blocks > 0)
        freed += dropOldest(core, lane, wantedBytes - freed, inFlight);
    }
  }
  return freed;
}

/** Streams whose waiting readings may give way, the least important first. Pure. */
export function victimsFor(streams: readonly StreamOptions[], stream: StreamOptions): StreamOptions[] {
  return streams
    .filter((victim) => victim.policy === "drop-oldest")
    .filter((victim) => victim.priority > stream.priority || victim.name === stream.name)
    .sort((a, b) => b.priority - a.priority);
}

/** Drops the oldest waiting blocks of a lane with a loss record. Returns the bytes freed. */
export function dropOldest(core: Core, lane: Lane, wantedBytes: number, inFlight: InFlight): number {
  let freed = 0;
  let run: BlockRow[] = [];
  const flush = (): void => {
    if (run.length > 0) removeRows(core, lane, run, "quota", run.some(core.wasSent));
    run = [];
  };
  // Delivered blocks may stand before these by the million, and this runs at every append of a full stream (I8).
  for (const row of core.blocks.within(lane.run, lane.stream, { first: firstMissing(lane), last: lane.last })) {
    if (freed >= wantedBytes) break;
    const droppable = row.state === pending && row.codec !== 0 && !inFlight(row);
    const neighbour = run[run.length - 1];
    if (!droppable || run.length >= rowsAtOnce || (neighbour !== undefined && lastOf(neighbour) + 1 !== row.first))
      flush();
    if (!droppable) continue;
    run.push(row);
    freed += footprint(row);
  }
  flush();
  return freed;
}

/** Frees what is left of epochs that are settled or given up: all of it is forwarded. */
function freeDone(core: Core, wantedBytes: number): number {
  let freed = 0;
  while (freed < wantedBytes) {
    const done = core.epochs.oldestDone();
    if (done === undefined) break;
    let left = 0;
    for (const stream of core.lanes.streamsOf(done.run)) {
      for (const row of core.blocks.within(done.run, stream, { first: 1, last: Number.MAX_SAFE_INTEGER })) {
        if (freed >= wantedBytes) {
          left++;
          break;
        }
        core.blocks.remove(row);
        freed += footprint(row);
      }
    }
    if (left > 0) break;
    // The latest epoch is the predecessor that the next record names: its row and last seqs stay.
    if (core.epochs.latest()?.run === done.run) break;
    core.lanes.remove(done.run);
    core.epochs.remove(done.run);
  }
  return freed;
}

function freeDelivered(core: Core, lane: Lane, state: BlockState, wantedBytes: number): number {
  let freed = 0;
  for (const range of state === forwarded ? lane.forwarded : lane.journaled) {
    for (const row of core.blocks.within(lane.run, lane.stream, range)) {
      if (freed >= wantedBytes) break;
      if (row.state !== state) continue;
      core.blocks.remove(row);
      count(lane.tallies[state], row, -1);
      core.edges.put(lane.run, lane.stream, { first: row.first, last: lastOf(row), after: row.after, state });
      freed += footprint(row);
    }
  }
  pruneEdges(core, lane);
  core.lanes.save(lane);
  return freed;
}
