/** Child processes that can be killed without warning, with what they said in a file. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Running {
  readonly pid: number;
  /** Resolves once the process is gone. */
  readonly ended: Promise<Ended>;
  isRunning(): boolean;
  /** Sends a signal; does nothing where the process is gone. */
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL: the process gets no chance to finish anything. */
  kill(): Promise<Ended>;
  /** SIGTERM, and after `withinMs` SIGKILL. */
  stop(withinMs?: number): Promise<Ended>;
}

const living = new Set<ChildProcess>();
// Whatever ends this process, its children end with it.
process.on("exit", () => {
  for (const child of living) signalGroup(child, "SIGKILL");
});

/**
 * Starts a program with this Node.
 * @param command the script and its arguments
 * @param logFile what it writes to stderr is appended here
 * @param wrapper a program to start it with, such as strace and its arguments
 */
export function startProcess(
  command: readonly string[],
  logFile: string,
  environment: NodeJS.ProcessEnv = process.env,
  wrapper: readonly string[] = [],
): Running {
  const log = openSync(logFile, "a");
  const [program, ...args] = [...wrapper, process.execPath, ...command] as [string, ...string[]];
  // A group of its own: Ctrl-C at a terminal ends the parent, which then stops its children in order.
  const child = spawn(program, args, { stdio: ["ignore", "ignore", log], env: environment, detached: true });
  closeSync(log);
  living.add(child);
  let running = true;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      running = false;
      living.delete(child);
      resolve({ code, signal });
    });
  });
  const signal = (name: NodeJS.Signals): void => {
    if (running) signalGroup(child, name);
  };
  return {
    pid: child.pid ?? 0,
    ended,
    isRunning: () => running,
    signal,
    kill() {
      signal("SIGKILL");
      return ended;
    },
    async stop(withinMs = 10_000) {
      const timer = setTimeout(signal, withinMs, "SIGKILL");
      signal("SIGTERM");
      const end = await ended;
      clearTimeout(timer);
      return end;
    },
  };
}

/** Reaches the program behind a wrapper too. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has just ended.
  }
}

/** The last lines of a log, for the message of a process that did not come up. */
export function tailOf(logFile: string, lines = 5): string {
  try {
    return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}
