/**
 * A cluster that a person has given up while the gateway could not note it, since it waits for just that cluster: a
 * small file in the state folder says so until the journal's ledger does.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./journal/identity.ts";
import { bothSides, type Side } from "./queue/standby/ledger.ts";

export function givenUpPath(stateFolder: string): string {
  return join(stateFolder, "given-up");
}

/** Null where none was given up, or the file is junk. */
export function givenUpIn(stateFolder: string): Side | null {
  try {
    const text = readFileSync(givenUpPath(stateFolder), "utf8").trim();
    return bothSides.find((side) => side === text) ?? null;
  } catch {
    return null;
  }
}

export function giveUp(stateFolder: string, side: Side): void {
  writeFileSync(givenUpPath(stateFolder), `${side}\n`, { mode: 0o600, flush: true });
  syncFolder(stateFolder);
}
