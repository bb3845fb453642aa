/** A power cut of a broker's machine: what its disk had not yet is gone, and nothing beside it gives that away. */
import { readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";

export interface Cut {
  /** The partition's folder. */
  readonly partition: string;
  /** Of its bytes, from the end. */
  readonly part: number;
}

/** Cuts the end off a partition of a broker that is down. */
export function cutEnd(folder: string, { partition, part }: Cut): void {
  const path = join(folder, partition);
  const names = readdirSync(path);
  for (const name of names.filter((one) => /\.(index|timeindex|txnindex|snapshot)$/.test(one)))
    rmSync(join(path, name));
  const segments = names.filter((name) => name.endsWith(".log")).sort();
  const sizes = segments.map((name) => statSync(join(path, name)).size);
  let left = Math.floor(sizes.reduce((sum, size) => sum + size, 0) * (1 - part));
  for (const [at, name] of segments.entries()) {
    const size = sizes[at] as number;
    // Of a segment that begins behind the cut nothing was on the disk, not even its name.
    if (left === 0) rmSync(join(path, name));
    else if (left < size) truncateSync(join(path, name), left);
    left = Math.max(0, left - size);
  }
  for (const name of readdirSync(folder).filter((one) => /checkpoint$/.test(one))) rmSync(join(folder, name));
}
