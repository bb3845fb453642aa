/** Switches each rule off in turn and shows what the simulation then finds; the argument is the most seeds of a rule. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../mutants/patch.ts";
import { rules } from "./rules.ts";

const seeds = process.argv[2] ?? "500";
let undetected = 0;
for (const rule of Object.keys(rules)) {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(projectRoot, "test/sim/main.ts"), "--off", rule, "--seeds", seeds, "--stop", "--json"],
    { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
  );
  if (stdout === "") throw new Error(`the run without ${rule} failed: ${stderr}`);
  const { failed } = JSON.parse(stdout) as { failed: { seed: number; findings: { kind: string; text: string }[] }[] };
  const [first] = failed;
  if (first === undefined) undetected++;
  const found =
    first === undefined ? "NOT FOUND" : `seed ${first.seed}: ${first.findings[0]?.kind} ${first.findings[0]?.text}`;
  console.log(`${rule.padEnd(12)} ${found}`);
}
process.exitCode = undetected === 0 ? 0 : 1;
