/** What the patterns find, and how a file is named: by device and inode, not by its path. */
import type { BigIntStats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** A file as one look found it. */
export interface Sighting {
  /** The key of its cursor. */
  readonly key: string;
  readonly path: string;
  /** Size and time of change, as one text that differs once the file does. */
  readonly seen: string;
  readonly isEmpty: boolean;
  readonly changedNs: bigint;
}

/** Longest path that becomes a label; of a longer one the end is kept. Labels have 2 kB in all. */
const labelLengthMax = 500;

/** A file as its stat tells. Numbers are big: inodes of some file systems lie beyond 2^53. */
export function sightingOf(prefix: string, path: string, found: BigIntStats): Sighting {
  const { dev, ino, size, mtimeNs } = found;
  return { key: `${prefix}${dev}-${ino}`, path, seen: `${size}@${mtimeNs}`, isEmpty: size === 0n, changedNs: mtimeNs };
}

/**
 * Looks at paths. A file that comes twice, or by several links, counts once.
 * @param filesMax most files to find
 * @returns by key
 */
export async function lookAt(
  paths: AsyncIterable<string>,
  prefix: string,
  filesMax: number,
): Promise<Map<string, Sighting>> {
  const found = new Map<string, Sighting>();
  for await (const path of paths) {
    if (found.size >= filesMax) break;
    // A file may go between the two calls; folders and devices are no logs.
    const status = await stat(path, { bigint: true }).catch(() => undefined);
    if (status === undefined || !status.isFile()) continue;
    const sighting = sightingOf(prefix, path, status);
    if (!found.has(sighting.key)) found.set(sighting.key, sighting);
  }
  return found;
}

/** All paths in some folders; those that cannot be read count as empty. */
export async function* pathsIn(folders: Iterable<string>): AsyncGenerator<string> {
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) yield join(folder, name);
  }
}

/** The label of a path. */
export function labelOf(path: string): string {
  const label = path.toWellFormed();
  return label.length <= labelLengthMax ? label : `…${label.slice(-labelLengthMax).toWellFormed()}`;
}
