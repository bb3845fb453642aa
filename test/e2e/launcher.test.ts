import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const launcher = new URL("../../bin/launch.js", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "holdfast-launcher-"));
after(() => rmSync(folder, { recursive: true }));

/** A Node of this machine that is too old to run the project, or undefined. */
function oldNode(): string | undefined {
  for (const path of (process.env.PATH ?? "").split(delimiter)) {
    try {
      const version = execFileSync(join(path, "node"), ["--version"], { encoding: "utf8", stdio: "pipe" });
      const major = Number(/^v(\d+)/.exec(version)?.[1]);
      if (major >= 18 && major < 24) return join(path, "node");
    } catch {
      // There is no node in that folder.
    }
  }
  return undefined;
}

function start(node: string, script: URL, args: string[]) {
  const code = `import { launch } from ${JSON.stringify(script.href)}; launch("../test/fakes/launched.ts", ["--max-semi-space-size=2"]);`;
  const child = spawn(node, ["--input-type=module", "-e", code, "--", "launcher", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const read = (part: Buffer): void => void (text += part);
  child.stdout.on("data", read);
  child.stderr.on("data", read);
  const ended = new Promise<{ code: number | null; signal: string | null; text: string }>((resolve) => {
    child.on("close", (exit, signal) => resolve({ code: exit, signal, text }));
  });
  return { child, ended };
}

const old = oldNode();
const nodes = [
  { name: "a new enough Node", path: process.execPath, skip: false as const },
  {
    name: "an old Node",
    path: old ?? "",
    skip: old === undefined ? ("no old Node is on the PATH" as const) : (false as const),
  },
];

for (const { name, path, skip } of nodes) {
  test(`under ${name} the program runs with its flags, arguments and exit code`, { skip }, async () => {
    const { code, text } = await start(path, launcher, ["3", "x y"]).ended;
    assert.match(text, /^v(2[4-9]|[3-9]\d)\.\d+\.\d+ --max-semi-space-size=2 3 x y\n$/);
    assert.equal(code, 3);
  });

  test(`under ${name} a signal reaches the program once`, { skip }, async () => {
    const { child, ended } = start(path, launcher, ["wait"]);
    await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
    child.kill("SIGTERM");
    const { code, text } = await ended;
    assert.deepEqual([code, text.split("\n").filter((line) => line === "SIGTERM").length], [7, 1]);
  });

  test(`under ${name} a program that was killed is told apart from one that ended`, { skip }, async () => {
    const { code, signal } = await start(path, launcher, ["kill"]).ended;
    assert.ok(code === 137 || signal === "SIGKILL", `${code} ${signal}`);
  });
}

test("an old Node without the one that npm brings says what to do", { skip: nodes[1]?.skip ?? false }, async () => {
  const bin = join(folder, "bin");
  cpSync(fileURLToPath(new URL(".", launcher)), bin, { recursive: true });
  symlinkSync(fileURLToPath(new URL("../../package.json", import.meta.url)), join(folder, "package.json"));
  const { code, text } = await start(old ?? "", new URL(`file://${bin}/launch.js`), ["0"]).ended;
  assert.equal(code, 69);
  assert.match(text, /needs Node\.js 24\.12 or newer\n {2}why: this is Node\.js .*\n {2}what now: run "npm ci"/);
});
