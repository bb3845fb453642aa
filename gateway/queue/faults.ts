/** What the system's and SQLite's errors mean to the caller of a queue. */
import { codeOf, Fault, messageOf } from "../../shared/errors.ts";

const fullCodes = ["ENOSPC", "EDQUOT", "SQLITE_FULL"];

/** The Fault for anything that was thrown while the queue in `folder` was used; a defect stays what it is. */
export function queueFault(folder: string, error: unknown): unknown {
  if (error instanceof Fault) return error;
  const code = codeOf(error);
  const detail = { why: messageOf(error), cause: error };
  if (fullCodes.includes(code)) return fullFault(folder, detail.why, error);
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") {
    return new Fault("damaged", {
      ...detail,
      what: `the positions of the queue in ${folder} cannot be read`,
      remedy: "restore the whole folder from one backup, or move it away so that a new queue is made",
    });
  }
  if (code === "") return error;
  return new Fault("unavailable", {
    ...detail,
    what: `the queue in ${folder} cannot be written`,
    remedy: "look at the disk and its permissions; the gateway tries again by itself",
    retryable: true,
  });
}

/** The disk has no room for more lines; nothing was changed. */
export function fullFault(folder: string, why: string, cause?: unknown): Fault {
  return new Fault("full", {
    what: `the queue in ${folder} takes nothing more`,
    why,
    remedy: "free space on that disk, or lower the queue’s retention; the gateway tries again by itself",
    retryable: true,
    cause,
  });
}
