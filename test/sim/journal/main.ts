/** `npm run sim:journal`: runs random histories of the replicated journal, with a rule switched off where one is named. */
import { parseArgs } from "node:util";
import { messageOf } from "../../../shared/errors.ts";
import { patchImports } from "../../mutants/patch.ts";
import { journalRules } from "./rules.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "600" },
    first: { type: "string", default: "1" },
    /** A rule; the histories must find a violation then. */
    off: { type: "string" },
    /** Prints the names of the rules, and runs nothing. */
    list: { type: "boolean", default: false },
  },
});

if (values.list) {
  console.log(Object.keys(journalRules).join("\n"));
  process.exit();
}

const patches = values.off === undefined ? [] : journalRules[values.off];
if (patches === undefined) throw new Error(`there is no rule ${values.off}: ${Object.keys(journalRules).join(", ")}`);
patchImports(patches);
const { runJournalHistory } = await import("./history.ts");
const first = Number(values.first);
const counts = new Map<string, number>();
let failed: string | undefined;
let done = 0;
for (let seed = first; seed < first + Number(values.seeds) && failed === undefined; seed++) {
  try {
    for (const [what, times] of await runJournalHistory(seed)) counts.set(what, (counts.get(what) ?? 0) + times);
  } catch (error) {
    failed = `seed ${seed}: ${messageOf(error).split("\n")[0]}`;
  }
  done++;
}
for (const [what, times] of [...counts].sort()) console.log(`${String(times).padStart(9)}  ${what}`);
console.log(failed ?? `${done} histories, nothing found`);
const isAsExpected = (failed === undefined) === (values.off === undefined);
if (!isAsExpected)
  console.log(values.off === undefined ? "a violation" : `${values.off} is off, and nothing was found`);
process.exitCode = isAsExpected ? 0 : 1;
