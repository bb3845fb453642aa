/** Counts the fsyncs of a process with strace, where that is installed: what "durable" cost is seen, not believed. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gatherColumns } from "../shared/block/gather.ts";
import { openBenchStore, readingsFrom } from "./backlog.ts";
import { seeded } from "./bodies.ts";

/** Fsyncs for each append of 1,000 readings to a store in `folder`, in words. */
export function countFsyncs(folder: string, appends: number): string {
  const script = fileURLToPath(import.meta.url);
  const trace = ["-f", "-c", "-e", "trace=fsync,fdatasync", process.execPath, script];
  const counts = [0, appends].map((calls) => {
    const { stderr, error } = spawnSync("strace", [...trace, join(folder, `fsyncs-${calls}`), String(calls)]);
    if (error !== undefined) return undefined;
    // A row of strace's summary: % time, seconds, usecs/call, calls, name.
    const rows = stderr.toString().matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(?:fsync|fdatasync)$/gm);
    return [...rows].reduce((sum, match) => sum + Number(match[1]), 0);
  });
  const [opening, all] = counts;
  if (opening === undefined || all === undefined) return "fsyncs not counted: strace is not installed";
  return `${((all - opening) / appends).toFixed(2)} fsyncs a call, counted over ${appends}`;
}

if (import.meta.main) {
  const { store, close } = openBenchStore(process.argv[2] as string);
  for (let call = 0; call < Number(process.argv[3]); call++) {
    store.append(
      [{ stream: "telemetry", columns: gatherColumns(readingsFrom(call * 1_000, 1_000, seeded(call))) }],
      [],
    );
  }
  close();
}
