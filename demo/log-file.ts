/** A program's log file that keeps growing, and what the audit must find of it: each of its lines once. */
import { appendFileSync } from "node:fs";
import { contentOf, type Remembered } from "./memory.ts";

export interface GrowingFile {
  lines(): number;
  stop(): void;
}

export interface GrowingFileOptions {
  readonly path: string;
  /** The tail input that follows it. */
  readonly input: string;
  readonly agent: string;
  readonly stream: string;
  readonly everyMs: number;
  readonly memory: Remembered;
}

const burstMax = 20;

/** Appends some lines every now and then, now and then half a line first, as programs with buffers do. */
export function growFile(options: GrowingFileOptions): GrowingFile {
  const { path, input, agent, stream, memory } = options;
  const content = contentOf({ name: input, labels: { file: path } });
  let lines = 0;
  let half = "";

  function grow(): void {
    const burst = 1 + Math.floor(Math.random() * burstMax);
    let text = half;
    half = "";
    for (let i = 0; i < burst; i++) {
      lines++;
      const line = `request ${lines} took ${(lines * 7) % 1000} ms`;
      const id = memory.attempt({ agent, stream }, { name: input, value: line }, content);
      // The cursor moves with the lines, so that each whole line of the file counts as acknowledged.
      memory.acknowledge([id]);
      text += `${line}\n`;
    }
    if (Math.random() < 0.2) {
      half = text.slice(-10);
      text = text.slice(0, -10);
    }
    appendFileSync(path, text);
  }

  const timer = setInterval(grow, options.everyMs);
  return {
    lines: () => lines,
    stop() {
      clearInterval(timer);
      appendFileSync(path, half);
      half = "";
    },
  };
}
