/** Syncs that fail with EIO under a real process, by strace: the kernel's fault without a disk that has it. */
import { spawnSync } from "node:child_process";

/** Why strace cannot be used here; undefined where it can. */
export function straceMissing(): string | undefined {
  const traced = spawnSync("strace", ["-o", "/dev/null", "true"], { encoding: "utf8" });
  return traced.status === 0 ? undefined : `strace cannot be used here: ${traced.error?.message ?? traced.stderr}`;
}

/** The command before another one whose syncs fail where `when` says, in the words of strace: "30" or "31+7". */
export function withEioAt(when: string): string[] {
  const inject = ["-e", "trace=fsync,fdatasync", "-e", `inject=fsync,fdatasync:error=EIO:when=${when}`];
  return ["strace", "-f", "-qq", "-o", "/dev/null", ...inject];
}
