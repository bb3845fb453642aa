/** File queues in temporary folders, read back as a data engineer would. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { FileQueueOptions } from "../../gateway/queue/file.ts";
import { readQueue } from "../../gateway/queue/read.ts";
import { type Env, realEnv } from "../../shared/env.ts";
import type { Line } from "./outcomes.ts";

/** A folder that is removed after the test. */
export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-queue-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The real environment, but a queue that a failed test left open does not keep the process alive. */
function looseEnv(): Env {
  return {
    ...realEnv(),
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs).unref();
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

/** Options that neither close nor delete a segment within a test. */
export function queueOptions(folder: string, more: Partial<FileQueueOptions> = {}): FileQueueOptions {
  return {
    folder,
    env: looseEnv(),
    segmentBytesMax: 1024 ** 3,
    segmentAgeMaxMs: 3_600_000,
    retainBytes: 1024 ** 4,
    retainAgeMs: 1e12,
    ...more,
  };
}

export function parseLines(bytes: Uint8Array): Line[] {
  const texts = Buffer.from(bytes).toString("utf8").split("\n");
  if (texts.pop() !== "") throw new Error("the last line is not whole");
  return texts.map((text) => JSON.parse(text) as Line);
}

/** All committed lines. */
export async function readLines(folder: string): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const chunk of readQueue({ folder, follow: false })) lines.push(...parseLines(chunk.lines));
  return lines;
}

/** An environment whose monotonic clock moves by hand; timers fire when it passes them. */
export function handEnv(): Env & { advance(ms: number): void } {
  let now = 1000;
  const timers = new Set<{ due: number; action: () => void }>();
  return {
    ...realEnv(),
    monoMs: () => now,
    after(delayMs, action) {
      const timer = { due: now + delayMs, action };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = [...timers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.due);
        next.action();
      }
      now = end;
    },
  };
}

/** Resolves as soon as `holds` does; fails after ten seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !holds(); ) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
