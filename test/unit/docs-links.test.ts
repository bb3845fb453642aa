/** The documents speak of what is there: links, paths, commands and metrics are compared with the project itself. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const project = fileURLToPath(new URL("../..", import.meta.url));
const folders = ["agent", "bench", "bin", "demo", "docs", "gateway", "packaging", "shared", "test"];
const pages = globSync(["*.md", `{${folders.join(",")}}/**/*.md`], { cwd: project }).map((path) => ({
  path,
  text: readFileSync(join(project, path), "utf8"),
}));
const programs = ["agent", "gateway"] as const;

/** What GitHub makes of a heading, to link to. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

function anchors(text: string): string[] {
  const prose = text.replace(/^```.*?^```/gms, "");
  return [...prose.matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1] as string));
}

test("every relative link leads to a file, and to a heading where it names one", () => {
  const broken = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] as string)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [file = "", anchor] = target.split("#");
        const to = file === "" ? join(project, path) : join(project, dirname(path), file);
        if (!existsSync(to)) return true;
        return anchor !== undefined && !anchors(readFileSync(to, "utf8")).includes(anchor);
      })
      .map((target) => `${path}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test("every path of the project that a page names is there", () => {
  const named = new RegExp(`\`((?:${folders.join("|")})/[\\w./*-]+)\``, "g");
  const missing = pages.flatMap(({ path, text }) =>
    [...text.matchAll(named)]
      .map((match) => match[1] as string)
      .filter((name) => globSync([name, join(dirname(path), name)], { cwd: project }).length === 0)
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(missing, []);
});

test("every command and flag of the programs that a page writes down exists", async () => {
  const run = promisify(execFile);
  const help = async (program: string, words: readonly string[]): Promise<string> => {
    const args = [join(project, program, "cli.ts"), ...words, "--help"];
    return (await run(process.execPath, args, { encoding: "utf8" })).stdout;
  };
  /** By program: the commands, such as "agent add", with the flags that each knows. */
  const known = new Map<string, readonly string[]>();
  const flagsIn = (text: string): string[] => [...text.matchAll(/(?<=[\s,])--?[a-z][a-z-]*/g)].map(([flag]) => flag);
  const walk = async (program: string, words: readonly string[]): Promise<void> => {
    const text = await help(program, words);
    known.set([`holdfast-${program}`, ...words].join(" "), flagsIn(text).concat("--version", "-V", "-h", "--help"));
    const commands = /^Commands:\n((?: .*\n|\n(?= ))*)/m.exec(text)?.[1] ?? "";
    const names = [...commands.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map((match) => match[1] as string);
    await Promise.all(names.filter((name) => name !== "help").map((name) => walk(program, [...words, name])));
  };
  await Promise.all(programs.map((program) => walk(program, [])));

  const wrong: string[] = [];
  for (const { path, text } of pages) {
    const code = [...text.matchAll(/^```\w*\n(.*?)^```/gms), ...text.matchAll(/`([^`\n]+)`/g)].map(
      ([, inside]) => inside,
    );
    for (const [, line = ""] of code
      .join("\n")
      .matchAll(/(?:^|\bnpx |\/bin\/|=\S+ )(holdfast-(?:agent|gateway)(?: [^|>;&\n)]*)?)/gm)) {
      const words = line.trim().split(/\s+/);
      let command = words.shift() as string;
      while (words[0] !== undefined && known.has(`${command} ${words[0]}`)) command += ` ${words.shift()}`;
      const isGroup = [...known.keys()].some((key) => key.startsWith(`${command} `));
      if (isGroup && words[0] !== undefined && /^[a-z]/.test(words[0])) wrong.push(`${path}: ${line.trim()}`);
      for (const flag of words.filter((word) => /^--?[a-z]/.test(word))) {
        if (!known.get(command)?.includes(flag)) wrong.push(`${path}: ${command} ${flag}`);
      }
    }
  }
  assert.ok(known.has("holdfast-gateway agent add") && known.has("holdfast-gateway queue read"));
  assert.deepEqual(wrong, []);
});

test("every npm script that a page names is one", () => {
  const { scripts } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as { scripts: object };
  const missing = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/npm run ([a-z:]+)/g)]
      .map((match) => match[1] as string)
      .filter((name) => !(name in scripts))
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(missing, []);
});

test("docs/operate.md tells of every metric, and of no other", () => {
  const code = execFileSync("grep", ["-rhoE", 'name: "(holdfast|process)_[a-z_]+"', "agent", "gateway", "shared"], {
    cwd: project,
    encoding: "utf8",
  });
  const metrics = [...code.matchAll(/"(.+)"/g)].map((match) => match[1] as string).sort();
  const page = pages.find(({ path }) => path === "docs/operate.md")?.text ?? "";
  const told = new Set([...page.matchAll(/`((?:holdfast|process)_[a-z_]+)`/g)].map((match) => match[1] as string));
  assert.deepEqual([...told].sort(), metrics);
});
