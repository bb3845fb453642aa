/** `npm run sim:kafka`: runs many random histories of the Kafka queue and prints what was found. */
import { parseArgs } from "node:util";
import { patchImports } from "../../mutants/patch.ts";
import { mirrorRules } from "./mirror-rules.ts";
import { kafkaRules } from "./rules.ts";
import { standbyRules } from "./standby-rules.ts";

/** What histories are about; loaded once rules are switched off. */
const histories = {
  cluster: async () => (await import("./history.ts")).runHistory,
  standby: async () => (await import("./standby-history.ts")).runStandbyHistory,
  mirror: async () => (await import("./mirror-history.ts")).runMirrorHistory,
};

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    first: { type: "string", default: "1" },
    seed: { type: "string" },
    off: { type: "string" },
    of: { type: "string", default: "cluster" },
    /** Ends with the first seed that fails. */
    stop: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
  },
});

const rules: typeof kafkaRules = { ...kafkaRules, ...standbyRules, ...mirrorRules };
const off = (values.off?.split(",") ?? []).flatMap((rule) => {
  const patches = rules[rule];
  if (patches === undefined) throw new Error(`there is no rule ${rule}: ${Object.keys(rules).join(", ")}`);
  return patches;
});
patchImports(off);
const runHistory = await histories[values.of as keyof typeof histories]();
const first = Number(values.seed ?? values.first);
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
const counts = new Map<string, number>();
let failed = 0;
let done = 0;
let events = 0;
const startedMs = performance.now();
for (let seed = first; seed < first + seeds; seed++) {
  const result = await runHistory(seed, values.trace ? (line) => console.log(line) : undefined);
  for (const [what, times] of result.counts) counts.set(what, (counts.get(what) ?? 0) + times);
  events += result.events;
  done++;
  const [finding] = result.findings;
  if (finding === undefined) continue;
  failed++;
  if (failed <= 12) console.log(`seed ${seed}: ${finding.kind} ${finding.text} (${result.findings.length} findings)`);
  if (values.stop) break;
}
for (const [what, times] of [...counts].sort()) console.log(`${String(times).padStart(9)}  ${what}`);
const seconds = (performance.now() - startedMs) / 1000;
console.log(
  `${done} histories in ${seconds.toFixed(1)} s (${(done / seconds).toFixed(1)} a second), ${events} events, ${failed} failed`,
);
process.exitCode = failed === 0 ? 0 : 1;
