/**
 * Starts a program under a Node that can run it. Plain JavaScript for Node 18 and later, because it must be able to say
 * what is missing on a host whose own Node is too old; better-sqlite3 would crash there without a word.
 */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { constants as osConstants } from "node:os";
import { fileURLToPath } from "node:url";

/** The first version with stable type stripping. */
const needed = [24, 12];
/** As in sysexits: something that the program needs is not there. */
const unavailableCode = 69;

/**
 * Runs `program` with the arguments of this process; never returns to the caller's code.
 * @param {string} program path of the program, relative to this folder
 * @param {string[]} flags options for Node itself
 * @param {Record<string, string>} settings environment variables that count where the environment does not say otherwise
 */
export function launch(program, flags, settings = {}) {
  const node = findNode();
  if (node === undefined) {
    process.stderr.write(
      `error: Holdfast needs Node.js ${needed.join(".")} or newer\n` +
        `  why: this is Node.js ${process.versions.node}, and the one that npm brings along (${platformPackage()}) is not installed\n` +
        '  what now: run "npm ci" in the folder of Holdfast, with optional packages, or install Node.js 24\n',
    );
    process.exit(unavailableCode);
  }
  const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
  // Node keeps the stripped and compiled code there: 16 MB less memory and a faster start from the second run on.
  const environment = {
    NODE_COMPILE_CACHE: path("../node_modules/.cache/holdfast"),
    ...settings,
    ...process.env,
  };
  const args = [...flags, path(program), ...process.argv.slice(2)];
  // Replacing the process keeps its id, and no launcher stays behind in memory.
  if (isNewEnough() && typeof process.execve === "function") process.execve(node, [node, ...args], environment);
  else runAsChild(node, args, environment);
}

function isNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > needed[0] || (major === needed[0] && minor >= needed[1]);
}

function platformPackage() {
  return `node-${process.platform}-${process.arch}`;
}

/** A Node that is new enough: this one, or the one that npm installed beside the other dependencies. */
function findNode() {
  if (isNewEnough()) return process.execPath;
  try {
    const node = createRequire(import.meta.url).resolve(`${platformPackage()}/bin/node`);
    accessSync(node, constants.X_OK);
    return node;
  } catch {
    return undefined;
  }
}

/** Older Nodes cannot replace the process, so the program runs as a child with the same streams, signals and exit code. */
function runAsChild(node, args, env) {
  // In a process group of its own, or Ctrl-C would reach the child twice, and the second one means "at once".
  const child = spawn(node, args, { stdio: "inherit", env, detached: true });
  const forwarded = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"];
  for (const signal of forwarded) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`error: ${node} cannot be started\n  why: ${error.message}\n  what now: run "npm ci" again\n`);
    process.exit(unavailableCode);
  });
  child.on("exit", (code, signal) => {
    process.exit(code ?? 128 + (osConstants.signals[signal] ?? 0));
  });
}
