/**
 * The group id, kept beside the journal: exactly once holds per queue and group, so a gateway that finds another queue than
 * before must not go on as if it were the same. Without this copy a queue that was moved away would begin anew under a
 * new group, and every agent would be refused without anybody being told why (PROTOCOL.md §7).
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { codeOf, Fault } from "../shared/errors.ts";
import { syncFolder } from "./journal/identity.ts";

/**
 * Checks that the queue's group is the one of this gateway, and keeps it where none is known yet.
 * @param stated the group that the configuration states, null where it states none
 * @throws Fault `config` where they differ
 */
export function checkGroup(stateFolder: string, queueGroupId: string, stated: string | null): void {
  const what = `the queue belongs to group ${queueGroupId}`;
  if (stated !== null && stated !== queueGroupId) {
    const remedy = "point queue.folder at the queue of this group, or correct group.id";
    throw new Fault("config", { what, why: `the configuration says group ${stated}`, remedy });
  }
  const path = join(stateFolder, "group.id");
  const kept = readGroup(path);
  if (kept === queueGroupId) return;
  if (kept !== undefined) {
    throw new Fault("config", {
      what,
      why: `this gateway and its agents belong to group ${kept}, as ${path} says`,
      remedy:
        "put the queue of that group back at queue.folder; to go on with this one instead, remove that file, and " +
        "afterwards run `holdfast-agent move` on each agent",
    });
  }
  keepGroup(path, queueGroupId);
  syncFolder(stateFolder);
}

/** The group that is kept in the state folder; null where none is known yet. */
export function knownGroup(stateFolder: string): string | null {
  return readGroup(join(stateFolder, "group.id")) ?? null;
}

/** Undefined where there is none, or only junk, such as a crash of the file system leaves: the queue's own copy counts. */
function readGroup(path: string): string | undefined {
  try {
    return /^[0-9a-f]{32}(?=\n)/.exec(readFileSync(path, "utf8"))?.[0];
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function keepGroup(path: string, groupId: string): void {
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o640);
  try {
    writeSync(file, `${groupId}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}
