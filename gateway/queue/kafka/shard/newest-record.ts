/** The newest record of a shard, whoever wrote it: it says whose the shard is. */

import { followed } from "../mirror/moves.ts";
import { decodePosition, type ShardRecord } from "../records/position-records.ts";
import { emptyShard } from "./derive.ts";
import type { Site } from "./term.ts";

const decidedEveryMs = 100;
const decidedMaxMs = 5_000;

/** Reads it. @throws ClusterError, Fault `damaged` */
export async function newestRecord(site: Site): Promise<ShardRecord> {
  const { low, end } = await decided(site);
  let newest = emptyShard;
  await site.cluster.read(site.positions, low, end, (record) => {
    const position = decodePosition(record);
    if (position.kind === "shard") newest = followed(newest, position.shard);
  });
  return newest;
}

/** The span of the positions that is decided; markers come a little after a commit was answered, so it is waited for. */
async function decided({ cluster, env, positions, pause }: Site): Promise<{ low: number; end: number }> {
  const { high } = await cluster.watermarks(positions);
  for (const untilMs = env.monoMs() + decidedMaxMs; ; await pause(decidedEveryMs)) {
    const { low, stable } = await cluster.watermarks(positions);
    // What is open for longer is this process's own, or hangs: the next term's start ends it.
    if (stable >= high || env.monoMs() > untilMs) return { low, end: stable };
  }
}
