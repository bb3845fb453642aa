/**
 * Spoils a queue the way a defect of ours would: one line is lost or stands there twice, and the queue's own books say
 * that all is well. Only the audit can notice. The gateway must be stopped.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";

export type Sabotage = "lose" | "double";

/** Removes or repeats a line of the largest segment; returns that line. */
export function sabotageQueue(folder: string, how: Sabotage): string {
  const names = readdirSync(folder).filter((name) => /^\d{12}\.ndjson(\.open)?$/.test(name));
  const positions = new Database(join(folder, "positions.db"));
  try {
    const rows = positions.prepare("SELECT segment, bytes FROM segments ORDER BY bytes DESC").all();
    const { segment, bytes } = rows[0] as { segment: number; bytes: number };
    const name = names.find((candidate) => Number.parseInt(candidate, 10) === segment);
    if (name === undefined) throw new Error(`segment ${segment} of the queue has no file`);
    const path = join(folder, name);
    const lines = readFileSync(path).subarray(0, bytes).toString("utf8").trimEnd().split("\n");
    // A reading that somebody outside has seen, from the middle on.
    const at = lines.findIndex((line, index) => index >= lines.length / 2 && line.includes('"stream":"telemetry"'));
    const victim = lines[at];
    if (victim === undefined) throw new Error("there is no line to spoil");
    lines.splice(at, how === "lose" ? 1 : 0, ...(how === "lose" ? [] : [victim]));
    const text = `${lines.join("\n")}\n`;
    writeFileSync(`${path}.spoilt`, text);
    renameSync(`${path}.spoilt`, path);
    positions.prepare("UPDATE segments SET bytes = ? WHERE segment = ?").run(Buffer.byteLength(text), segment);
    return victim;
  } finally {
    positions.close();
  }
}
