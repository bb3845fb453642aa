/** Reads the file queue as anybody would: with the command line, in a process of its own. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { readLine } from "./audit-line.ts";
import { gatewayScript } from "./line.ts";

/** Calls `take` with every committed line of the queue in `folder`. */
export async function readQueueLines(folder: string, take: (line: string) => void): Promise<void> {
  const reader = startReader(folder, false);
  for await (const line of reader.lines) take(line);
  const code = await reader.ended;
  if (code !== 0) throw new Error(`queue read ended with ${code}`);
}

export interface Follower {
  /** Lines seen so far, of all streams or of one. */
  count(stream?: string): number;
  stop(): Promise<void>;
}

/** Counts lines as they come, while gateways come and go. */
export function followQueue(folder: string): Follower {
  const reader = startReader(folder, true);
  const counter = lineCounter();
  reader.lines.on("line", counter.take);
  return {
    count: counter.count,
    async stop() {
      reader.kill();
      await reader.ended;
    },
  };
}

/** Counts lines that it is given, in all and by stream. */
export function lineCounter(): Pick<Follower, "count"> & { take(text: string): void } {
  let all = 0;
  const byStream = new Map<string, number>();
  return {
    take(text) {
      all++;
      const stream = readLine(text)?.stream ?? "";
      byStream.set(stream, (byStream.get(stream) ?? 0) + 1);
    },
    count: (stream) => (stream === undefined ? all : (byStream.get(stream) ?? 0)),
  };
}

function startReader(folder: string, follow: boolean) {
  const args = [gatewayScript, "queue", "read", "--folder", folder, ...(follow ? ["--follow"] : [])];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  const kill = (): void => void child.kill("SIGKILL");
  process.on("exit", kill);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      process.off("exit", kill);
      resolve(code);
    });
  });
  return { lines: createInterface({ input: child.stdout }), ended, kill };
}
