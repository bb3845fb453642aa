/** File systems of their own for a test, where this process may mount. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { atEnd } from "../fakes/at-end.ts";

export interface Disk {
  readonly folder: string;
  /** Fills the disk but for about `leaveBytes`. */
  fill(leaveBytes: number): void;
  free(): void;
}

/** Runs a command; returns why it failed, or undefined. */
export function tried(program: string, ...args: string[]): string | undefined {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return status === 0 ? undefined : `${program} cannot be used here: ${error?.message ?? stderr.trim()}`;
}

/** A small disk in memory that is gone after the test; text says why there can be none. */
export function mountTmpfs(t: TestContext, sizeMb: number): Disk | string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-disk-"));
  const missing = tried("mount", "-t", "tmpfs", "-o", `size=${sizeMb}m`, "tmpfs", folder);
  atEnd(t, () => {
    // A process of the test may only just be gone: a lazy unmount waits for what it still holds.
    if (missing === undefined) tried("umount", "-l", folder);
    rmSync(folder, { recursive: true, force: true });
  });
  if (missing !== undefined) return missing;
  const filler = join(folder, "filler");
  return {
    folder,
    fill(leaveBytes) {
      const { bavail, bsize } = statfsSync(folder);
      try {
        writeFileSync(filler, new Uint8Array(Math.max(0, bavail * bsize - leaveBytes)));
      } catch (error) {
        // The program under test writes meanwhile: then the disk is full a little sooner.
        if ((error as { code?: unknown }).code !== "ENOSPC") throw error;
      }
    },
    free: () => rmSync(filler, { force: true }),
  };
}
