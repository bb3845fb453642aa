/**
 * Runs the commands of the README in a clean clone of HEAD, word by word: all code blocks marked `sh`, in their order.
 * Each block is one terminal. A block whose last command ends in "run" goes on running, and the next one is begun once it
 * has said so, as the page tells its readers. A command that looks for something with grep is repeated, as told there too.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "../../demo/waiting.ts";
import { openTerminal, place, type Terminal } from "../fakes/terminals.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));
const runsSaying = /"msg":"the (agent|gateway) runs"/;

/** Why nothing can be cloned here; false where it can. */
function noHead(): string | false {
  try {
    execFileSync("git", ["-C", project, "rev-parse", "--verify", "HEAD"], { stdio: "ignore" });
    return false;
  } catch {
    return "this is no git checkout with git at hand";
  }
}

/** The environment of a person at a fresh terminal: without the Node and the settings of the npm that runs this test. */
function freshEnvironment(): NodeJS.ProcessEnv {
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(package|lifecycle|config_local_prefix|command|node_execpath)|NODE_|HOLDFAST_)/.test(name),
  );
  // Packages that npm has in its cache are not loaded again; what is installed is the lockfile's in any case.
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter), npm_config_prefer_offline: "true" };
}

/** The commands of a block as this test runs them. */
function scriptOf(block: string): string {
  const lines = block.trim().split("\n");
  const as = (line: string): string => {
    // These take long and are run by CI as they stand; here it must only be true that they can be called.
    if (line === "npm run demo") return "npm run demo -- --help";
    if (line === "npm test") return "npm pkg get scripts.test | grep -q 'node --test'";
    return line.includes("| grep ") ? `until ${line}; do sleep 0.5; done` : line;
  };
  return lines.map(as).join("\n");
}

test("the commands of the README do what it says, in a clean clone", {
  skip: noHead(),
  timeout: 240_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-readme-"));
  const terminals: Terminal[] = [];
  t.after(async () => {
    await Promise.all(terminals.map((terminal) => terminal.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  const clone = join(folder, "holdfast");
  const environment = freshEnvironment();
  execFileSync("git", ["clone", "--quiet", "--no-hardlinks", project, clone], { env: environment });
  const page = readFileSync(join(clone, "README.md"), "utf8");
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] as string);
  const moved = await place(environment);

  for (const block of blocks) {
    const terminal = openTerminal(moved(scriptOf(block)), clone, environment);
    terminals.push(terminal);
    const goesOn = block.trimEnd().endsWith(" run");
    const isDone = (): boolean => !terminal.isOpen() || (goesOn && runsSaying.test(terminal.text()));
    const withinMs = block.includes("npm ci") ? 150_000 : 30_000;
    await until("a block of the README is done", isDone, withinMs).catch((error) =>
      assert.fail(`${error.message}:\n${block}\n${terminal.text()}`),
    );
    if (goesOn) assert.ok(terminal.isOpen(), `this ended at once:\n${block}\n${terminal.text()}`);
    else assert.equal(terminal.child.exitCode, 0, `this failed:\n${block}\n${terminal.text()}`);
  }

  const said = terminals.map((terminal) => terminal.text()).join("\n");
  assert.match(said, /HTTP\/1\.1 204 No Content/);
  const found = said.split("\n").filter((line) => line.startsWith('{"kind":"reading"'));
  assert.equal(found.length, 1, "the reading that curl sent stands in the queue once");
  const { agent, name, unit, value } = JSON.parse(found[0] as string);
  assert.deepEqual({ agent, name, unit, value }, { agent: "pump-1", name: "temperature", unit: "Cel", value: 21.5 });
  assert.match(said, /^agent +pump-1 /m);
  assert.match(said, /^forwarded +[1-9]/m);
});
