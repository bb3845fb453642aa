/** Makes single calls of node:fs fail, also for modules that import them by name. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import type { TestContext } from "node:test";

type Name = "writeSync" | "fsync" | "fsyncSync" | "renameSync" | "statfsSync";

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

/**
 * Replaces `fs[name]` until the returned function is called or the test ends.
 * @param make gets the real function and returns the one to use
 */
export function replaceFs<N extends Name>(
  t: Pick<TestContext, "after">,
  name: N,
  make: (real: (typeof fs)[N]) => unknown,
): () => void {
  const real = fs[name];
  const put = (value: unknown) => {
    Object.assign(fs, { [name]: value });
    syncBuiltinESMExports();
  };
  const restore = () => put(real);
  put(make(real));
  t.after(restore);
  return restore;
}

/** Makes writes fail as on a full disk: the first one is cut short, the next ones get ENOSPC. */
export function fullDisk(t: Pick<TestContext, "after">): () => void {
  let room = 1000;
  return replaceFs(
    t,
    "writeSync",
    (real) => (fd: number, bytes: Uint8Array, from: number, size: number, at: number) => {
      if (room === 0) throw systemError("ENOSPC");
      const done = real(fd, bytes, from, Math.min(size, room), at);
      room -= done;
      return done;
    },
  );
}
