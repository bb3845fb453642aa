/**
 * The file behind the credentials: read and checked as a whole, replaced as a whole by fsync and rename, so that the
 * running gateway sees the old state or the new one and a crash leaves one of them.
 *
 *     {"format": 1, "agents": [{"agent": "pump-7", "added": "2026-01-31T12:00:00.000Z", "secretSha256": "…64 digits…"}]}
 */
import {
  closeSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { codeOf, Fault, messageOf } from "../../shared/errors.ts";
import { isIdentifier } from "../../shared/reading.ts";

/** Most agents of one gateway. */
export const agentsMax = 10_000;
/** A row takes at most 210 bytes. */
const fileBytesMax = agentsMax * 256;

export interface CredentialRow {
  readonly agent: string;
  /** RFC 3339. */
  readonly added: string;
  /** 64 hexadecimal digits. */
  readonly secretSha256: string;
}

/**
 * Reads the file; a missing one holds no agents.
 * @throws Fault `damaged` or `too-new`, naming the first thing that is wrong
 */
export function readCredentialFile(file: string): CredentialRow[] {
  const damaged = (why: string, cause?: unknown): Fault =>
    new Fault("damaged", {
      what: `the credentials in ${file} cannot be used`,
      why,
      remedy: "Restore the file from a backup, or remove it and add the agents again.",
      cause,
    });

  let content: unknown;
  try {
    const { size } = statSync(file);
    if (size > fileBytesMax) throw damaged(`it is ${size} bytes long; at most ${fileBytesMax} are allowed`);
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error instanceof Fault ? error : damaged(messageOf(error), error);
  }
  const { format, agents } = (content ?? {}) as { format?: unknown; agents?: unknown };
  if (typeof format === "number" && format > 1) {
    throw new Fault("too-new", {
      what: `the credentials in ${file} cannot be used`,
      why: `they have format ${format}; this version reads format 1`,
      remedy: "Install the version of Holdfast that wrote the file, or a later one.",
    });
  }
  if (format !== 1 || !Array.isArray(agents)) throw damaged("it has no format 1 or no list of agents");
  if (agents.length > agentsMax) throw damaged(`it holds ${agents.length} agents; at most ${agentsMax} are allowed`);
  const names = new Set<string>();
  return agents.map((value: unknown, index): CredentialRow => {
    const { agent, added, secretSha256 } = (value ?? {}) as Record<string, unknown>;
    if (typeof agent !== "string" || !isIdentifier(agent)) throw damaged(`agent ${index + 1} has no valid name`);
    if (names.has(agent)) throw damaged(`agent ${agent} is there twice`);
    names.add(agent);
    if (typeof added !== "string" || added.length > 30) throw damaged(`agent ${agent} has no valid date`);
    if (typeof secretSha256 !== "string" || !/^[0-9a-f]{64}$/.test(secretSha256)) {
      throw damaged(`agent ${agent} has no valid SHA-256 of its secret`);
    }
    return { agent, added, secretSha256 };
  });
}

/**
 * Replaces the rows by what `change` makes of them, durably.
 * @throws Fault `locked` where another process changes the file, and what `change` throws
 */
export function changeCredentialFile(
  file: string,
  change: (rows: readonly CredentialRow[]) => readonly CredentialRow[],
): void {
  // The new file is its own lock: two commands at once would otherwise lose one of two agents.
  const next = `${file}.new`;
  const fd = openNext(next);
  try {
    const rows = change(readCredentialFile(file));
    giveToGateway(fd, dirname(file));
    writeSync(fd, `${JSON.stringify({ format: 1, agents: rows }, null, 1)}\n`);
    fsyncSync(fd);
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** An operator who is root must leave a file that the gateway's own user can read: the owner of its state folder. */
function giveToGateway(fd: number, folder: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  fchownSync(fd, uid, gid);
}

function openNext(next: string): number {
  try {
    return openSync(next, "wx", 0o600);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    throw new Fault("locked", {
      what: "the credentials were not changed",
      why: `${next} exists: another command is changing them, or one was killed while it did`,
      remedy: "Try again; if no such command is running, remove that file first.",
      retryable: true,
    });
  }
}
