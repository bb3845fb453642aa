/**
 * `npm run mutants`: applies each mutant to a copy of the tree and runs the test that must notice it. A mutant that its
 * test does not notice is a hole in the tests, and fails the run.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Command } from "commander";
import { openVoice } from "../../shared/voice.ts";
import { type Mutant, mutants } from "./mutants.ts";
import { copyPatched } from "./patch.ts";

/** A mutant may turn an end into a loop; its test is stopped then, and that counts as noticed. */
const testTimeoutMs = 60_000;

interface Result {
  readonly mutant: Mutant;
  readonly noticed: boolean;
  readonly seconds: number;
}

async function judge(mutant: Mutant): Promise<Result> {
  const startMs = performance.now();
  const tree = copyPatched(mutant.patches);
  try {
    // The name stands literally in titles, which hold brackets and dots.
    const pattern = mutant.test.name.replaceAll(/[^\w\s,]/g, "\\$&");
    const child = spawn(process.execPath, ["--test", `--test-name-pattern=${pattern}`, mutant.test.file], {
      cwd: tree.root,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
    const timer = setTimeout(() => process.kill(-(child.pid as number), "SIGKILL"), testTimeoutMs);
    const [code] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    // A test file that does not load, or a name that fits no test, notices nothing: only a failed test counts.
    const failed = /^ℹ (fail|cancelled) [1-9]/m.test(output) && !/ERR_MODULE_NOT_FOUND|SyntaxError/.test(output);
    return { mutant, noticed: code === null || failed, seconds: (performance.now() - startMs) / 1000 };
  } finally {
    tree.remove();
  }
}

async function main(options: { only?: string; jobs: string }): Promise<void> {
  const voice = openVoice();
  const queue = mutants.filter(({ id }) => options.only === undefined || id.includes(options.only));
  const total = queue.length;
  const results: Result[] = [];
  const worker = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const result = await judge(mutant);
      results.push(result);
      const verdict = result.noticed ? "noticed" : "NOT NOTICED";
      voice.note(
        `${results.length}/${total} ${mutant.invariant} ${mutant.id}: ${verdict} (${result.seconds.toFixed(1)} s)`,
      );
    }
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, worker));
  const escaped = results.filter(({ noticed }) => !noticed);
  voice.say(`${total - escaped.length} of ${total} mutants were noticed by the test that is named for each`);
  for (const { mutant } of escaped) voice.say(`not noticed: ${mutant.id} by ${mutant.test.file} "${mutant.test.name}"`);
  process.exitCode = escaped.length === 0 && total > 0 ? 0 : 1;
}

await new Command("mutants")
  .option("--only <text>", "mutants whose id holds this text")
  .option("--jobs <count>", "tests at the same time", "2")
  .action(main)
  .parseAsync();
