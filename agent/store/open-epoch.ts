/** Opening an epoch and its lanes, in the caller's transaction: an epoch begins with its first reading, never with a start. */
import { hex } from "../../shared/env.ts";
import type { EpochRecord } from "../../shared/protocol/messages.ts";
import type { Core, LiveEpoch } from "./core.ts";
import type { EpochRow } from "./epochs.ts";
import type { Lane } from "./lanes.ts";

/**
 * Opens a new epoch as the successor of the latest one (I4: its id comes from the kernel, since a user-space generator
 * repeats itself after a VM snapshot). Must run inside `transact`.
 */
export function openEpoch(core: Core, abandoned: readonly string[]): LiveEpoch {
  const latest = core.epochs.latest();
  const run = Math.max(latest?.run ?? 0, core.floor) + 1;
  const record: EpochRecord = {
    epoch: hex(core.env.randomBytes(8)),
    storeId: core.storeId,
    run,
    predecessor: latest === undefined ? null : { epoch: latest.record.epoch, lastSeqs: lastSeqs(core, latest) },
    givenUp: abandoned,
  };
  core.epochs.insert(record);
  const opened: LiveEpoch = { row: { run, state: 0, record }, lanes: new Map() };
  core.live.set(run, opened);
  core.openRun = run;
  core.ownRuns = new Set([...core.ownRuns, run]);
  return opened;
}

function lastSeqs(core: Core, epoch: EpochRow): Map<string, number> {
  const lanes =
    core.live.get(epoch.run)?.lanes.values() ??
    core.lanes
      .streamsOf(epoch.run)
      .map((id) => core.lanes.load(epoch.run, id, core.streamName(id), epoch.record.epoch));
  return new Map([...lanes].map((lane) => [lane.name, lane.last]));
}

/** The lane of a stream in the open epoch; opens epoch and lane where needed. Must run inside `transact`. */
export function openLane(core: Core, streamName: string): Lane {
  const epoch = core.openRun === null ? openEpoch(core, []) : (core.live.get(core.openRun) as LiveEpoch);
  const id = core.streamId(streamName);
  let lane = epoch.lanes.get(id);
  if (lane === undefined) {
    lane = core.lanes.create(epoch.row.run, id, streamName, epoch.row.record.epoch);
    epoch.lanes.set(id, lane);
  }
  return lane;
}
