/** What a store holds and has lost, for status and metrics: read from the tallies, never by walking blocks (I8). */
import { usedBytes } from "../../shared/sqlite.ts";
import { pending } from "./blocks.ts";
import { type Core, lanesOf } from "./core.ts";
import { firstMissing, type Tally } from "./lanes.ts";

export interface StoreUsage {
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** Waiting readings by stream. */
  readonly pending: ReadonlyMap<string, Tally>;
  readonly delivered: Tally;
  /** Seqs that no peer has and this store no longer holds. */
  readonly goneReadings: number;
  readonly losses: ReadonlyMap<string, number>;
  /** Earliest time of what waits in the oldest block, µs; null where nothing waits. */
  readonly oldestUs: number | null;
}

export function usageOf(core: Core, quotaBytes: number): StoreUsage {
  const waiting = new Map<string, Tally>();
  const delivered: Tally = { blocks: 0, readings: 0, bytes: 0 };
  let goneReadings = 0;
  let oldestUs: number | null = null;
  for (const lane of lanesOf(core)) {
    const sum = waiting.get(lane.name) ?? { blocks: 0, readings: 0, bytes: 0 };
    waiting.set(lane.name, sum);
    addTo(sum, lane.tallies[pending]);
    addTo(delivered, lane.tallies[1]);
    addTo(delivered, lane.tallies[2]);
    for (const span of lane.gone) goneReadings += span.last - span.first + 1;
    if (lane.tallies[pending].blocks > 0) {
      const from = firstMissing(lane);
      const { holding, page } = core.blocks;
      const oldest = holding(lane.run, lane.stream, from) ?? page(lane.run, lane.stream, from, 1)[0];
      const minUs = oldest?.minUs ?? null;
      if (minUs !== null && (oldestUs === null || minUs < oldestUs)) oldestUs = minUs;
    }
  }
  return {
    usedBytes: usedBytes(core.db),
    quotaBytes,
    pending: waiting,
    delivered,
    goneReadings,
    losses: core.losses(),
    oldestUs,
  };
}

function addTo(sum: Tally, tally: Tally): void {
  sum.blocks += tally.blocks;
  sum.readings += tally.readings;
  sum.bytes += tally.bytes;
}
