/**
 * Limits that are so large in the field that a day of simulation never meets them are made small here, and ticks that
 * only cost events are made long. Rules are never changed by these patches.
 */
import type { Patch } from "../mutants/patch.ts";

export const smallLimits: readonly Patch[] = [
  { file: "shared/limits.ts", find: "epochsKept = 64;", replace: "epochsKept = 1;" },
  { file: "shared/limits.ts", find: "rangesMax = 256;", replace: "rangesMax = 12;" },
  { file: "shared/limits.ts", find: "askEntriesMax = 64;", replace: "askEntriesMax = 3;" },
  { file: "agent/intake.ts", find: "commitReadings = 50;", replace: "commitReadings = 6;" },
  { file: "agent/store/merge.ts", find: "mergeReadings = 1_000;", replace: "mergeReadings = 4;" },
  { file: "agent/store/core.ts", find: "loadedEpochsMax = 256;", replace: "loadedEpochsMax = 5;" },
  { file: "agent/store/blocks.ts", find: "pageRows = 256;", replace: "pageRows = 24;" },
  { file: "agent/store/lanes.ts", find: "untalliedBlocksMax = 256;", replace: "untalliedBlocksMax = 4;" },
  { file: "agent/store/evict.ts", find: "rowsAtOnce = 256;", replace: "rowsAtOnce = 4;" },
  { file: "agent/store/store.ts", find: "reserveBytes = 256 * 1024;", replace: "reserveBytes = 32 * 1024;" },
  { file: "agent/store/store.ts", find: "evictStepBytes = 128 * 1024;", replace: "evictStepBytes = 4 * 1024;" },
  { file: "agent/store/housekeeping.ts", find: "pauseMs = 1_000;", replace: "pauseMs = 3_600_000;" },
  { file: "gateway/forwarder/commit-size.ts", find: "readings: 50_000 };", replace: "readings: 60 };" },
  { file: "agent/uplink/uplink.ts", find: "tickMs = 1_000;", replace: "tickMs = 60_000;" },
];
