/**
 * Appending again: an epoch that had to be given up gets new names for what the queue is not known to have. Always in a
 * new epoch and with all its streams, so that one record says what became of it (PROTOCOL §6).
 */
import { lastOf } from "../../shared/block/block.ts";
import { givenUpMax } from "../../shared/limits.ts";
import { covers } from "../../shared/ranges.ts";
import { appendAgain, appendLoss } from "./append.ts";
import { type BlockRow, forwarded } from "./blocks.ts";
import type { Core } from "./core.ts";
import { readBytes } from "./damage.ts";
import { type Edge, placeOnly } from "./edges.ts";
import { givenUp } from "./epochs.ts";
import { count, type Lane } from "./lanes.ts";
import { openEpoch, openLane } from "./open-epoch.ts";

/**
 * What of the old epochs may stay under its name: after a fork only what a POSITION verified as forwarded, since
 * anything else may be the other copy's; after `expired` or an abandoned group, whatever was reported forwarded.
 */
export type Keep = "verified" | "forwarded";

/** Gives up live epochs, oldest first. Must run inside `transact`; afterwards the last new epoch is the open one. */
export function giveUp(core: Core, runs: readonly number[], keep: Keep): void {
  for (let i = 0; i < runs.length; i += givenUpMax) {
    const epochs = runs.slice(i, i + givenUpMax).flatMap((run) => core.live.get(run) ?? []);
    openEpoch(
      core,
      epochs.map((epoch) => epoch.row.record.epoch),
    );
    for (const epoch of epochs) {
      for (const lane of epoch.lanes.values()) moveLane(core, lane, keep);
      core.epochs.setState(epoch.row.run, givenUp);
      core.edges.remove(epoch.row.run);
      core.live.delete(epoch.row.run);
    }
    for (const lane of core.live.get(core.openRun as number)?.lanes.values() ?? []) core.lanes.save(lane);
  }
  core.loadLanes();
}

function moveLane(core: Core, lane: Lane, keep: Keep): void {
  const stays = (span: { first: number; last: number }, state: number): boolean =>
    keep === "verified" ? covers(lane.verified, span.first, span.last) : state === forwarded;
  const everything = { first: 1, last: Number.MAX_SAFE_INTEGER };
  // What left the store and is not known to be forwarded: only its names can be saved.
  const left = core.edges
    .within(lane.run, lane.stream, everything)
    .filter((edge) => edge.state !== placeOnly && !stays(edge, edge.state));
  let nextLeft = 0;
  const loseLeftBefore = (seq: number): void => {
    while (nextLeft < left.length && (left[nextLeft] as Edge).first < seq) {
      const edge = left[nextLeft++] as Edge;
      core.countLoss("journal-lost", edge.last - edge.first + 1);
      appendLoss(core, openLane(core, lane.name), unknownLoss, edge.last - edge.first + 1, true);
    }
  };
  for (const row of core.blocks.within(lane.run, lane.stream, everything)) {
    loseLeftBefore(row.first);
    moveRow(core, lane, row, stays({ first: row.first, last: lastOf(row) }, row.state));
  }
  loseLeftBefore(Number.MAX_SAFE_INTEGER);
  core.lanes.save(lane);
}

const unknownLoss = { reason: "journal-lost", fromUs: null, toUs: null } as const;

function moveRow(core: Core, lane: Lane, row: BlockRow, stays: boolean): void {
  if (stays) {
    if (row.state !== forwarded) {
      core.blocks.setState(row, forwarded);
      count(lane.tallies[row.state], row, -1);
      count(lane.tallies[forwarded], row, 1);
    }
    return;
  }
  const bytes = readBytes(core, lane, row);
  count(lane.tallies[row.state], row, -1);
  const again = openLane(core, lane.name);
  if (bytes !== undefined) {
    appendAgain(core, again, row, bytes);
    return;
  }
  core.blocks.remove(row);
  core.countLoss("corrupt", row.count);
  appendLoss(core, again, { reason: "corrupt", fromUs: row.minUs, toUs: row.maxUs }, row.count, true);
}
