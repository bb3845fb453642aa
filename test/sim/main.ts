/** `npm run sim`: runs many seeds of simulated hours and prints what was found. README.md tells how to read it. */
import { parseArgs } from "node:util";
import { patchImports } from "../mutants/patch.ts";
import { rules } from "./rules.ts";
import type { SeedResult } from "./run.ts";
import { smallLimits } from "./small-limits.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    hours: { type: "string", default: "24" },
    /** Ends with the first seed that fails. */
    stop: { type: "boolean", default: false },
    first: { type: "string", default: "1" },
    seed: { type: "string" },
    off: { type: "string" },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

/** Lines of the trace that are shown for the first failing seed. */
const shownLines = 200;
/** Seeds after which every fault that was enabled must have struck. */
const seedsForEveryFault = 100;

const off = (values.off?.split(",") ?? []).flatMap((rule) => {
  const patches = rules[rule];
  if (patches === undefined) throw new Error(`there is no rule ${rule}: ${Object.keys(rules).join(", ")}`);
  return patches;
});
patchImports([...smallLimits, ...off]);
const { runSeed } = await import("./run.ts");
const hours = Number(values.hours);
const first = Number(values.seed ?? values.first);
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
const counts = new Map<string, number>();
const failed: { seed: number; findings: readonly { kind: string; text: string }[] }[] = [];
let events = 0;
let done = 0;
const startedMs = performance.now();
let seedNow = first;
for (let seed = first; seed < first + seeds; seed++) {
  seedNow = seed;
  const result = await runSeed(seed, hours, values.trace ? (line) => console.log(line) : undefined).catch(broken);
  for (const [what, times] of result.counts) counts.set(what, (counts.get(what) ?? 0) + times);
  events += result.events;
  done++;
  if (result.findings.length > 0) failed.push(result);
  if (values.stop && failed.length > 0) break;
}
/** Faults that some seed had and that never struck: over so many seeds, the simulator has lost a fault. */
const idle = done < seedsForEveryFault ? [] : [...counts].filter(([what, n]) => what.startsWith("fault: ") && n === 0);
const seconds = (performance.now() - startedMs) / 1000;
const summary = {
  seeds: done,
  hours,
  seconds: Math.round(seconds * 10) / 10,
  seedsPerSecond: Math.round((done / seconds) * 10) / 10,
  events,
  failed: failed.map(({ seed, findings }) => ({ seed, findings })),
  counts: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))),
};
if (values.json) console.log(JSON.stringify(summary));
else await print();
for (const [what] of idle) console.error(`never struck in ${done} seeds: ${what}`);
process.exitCode = failed.length === 0 && idle.length === 0 ? 0 : 1;

/** An exception in the simulator itself is a failure of its seed. */
function broken(error: unknown): SeedResult {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { seed: seedNow, findings: [{ kind: "SIMULATOR", text }], counts: new Map(), events: 0, fingerprint: 0 };
}

async function print(): Promise<void> {
  for (const [what, times] of Object.entries(summary.counts)) console.log(`${String(times).padStart(9)}  ${what}`);
  console.log(
    `${done} seeds of ${hours} h in ${summary.seconds} s (${summary.seedsPerSecond} a second), ${events} events`,
  );
  const kinds = new Map<string, number>();
  for (const { findings } of failed) kinds.set(findings[0]?.kind ?? "", (kinds.get(findings[0]?.kind ?? "") ?? 0) + 1);
  if (failed.length > 0) console.log(`${failed.length} seeds failed: ${JSON.stringify(Object.fromEntries(kinds))}`);
  for (const { seed, findings } of failed.slice(0, 12)) {
    console.log(`seed ${seed}: ${findings[0]?.kind} ${findings[0]?.text} (${findings.length} findings)`);
  }
  const [worst] = failed;
  if (worst === undefined || values.trace) return;
  const lines: string[] = [];
  await runSeed(worst.seed, hours, (line) => {
    lines.push(line);
    if (lines.length > shownLines * 2) lines.splice(0, shownLines);
  }).catch((error: unknown) => lines.push(String(error)));
  console.log(`--- the last events of seed ${worst.seed}; all of them: --seed ${worst.seed} --trace ---`);
  for (const line of lines.slice(-shownLines)) console.log(line);
}
