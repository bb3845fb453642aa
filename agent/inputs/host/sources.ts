/**
 * Where the figures come from: files of /proc and /sys and the statfs call. No child processes, which cost more than
 * all files together and hang where a command does; and no library, since these come down to the same few files.
 */
import { glob, readdir, readFile, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  cpuFigures,
  type Figure,
  loadFigures,
  memoryFigures,
  spaceFigures,
  temperatureFigures,
  trafficFigures,
} from "./figures.ts";
import { parseDiskstats, parseMeminfo, parseMounts, parseNetDev, parseNumbers, parseStat } from "./parse.ts";

/** The folders to read, other ones in tests. */
export interface HostPaths {
  readonly proc: string;
  readonly sys: string;
}

/** A named source; it may throw, which says that this machine does not have it. */
export interface Source {
  readonly name: string;
  read(monoMs: number): Promise<Figure[]>;
}

const sensorsMax = 64;

/** A source of rates: it keeps what it saw last. */
function differing<T>(
  name: string,
  look: () => Promise<T>,
  compare: (before: T, now: T, elapsedMs: number) => Figure[],
): Source {
  let last: { seen: T; atMs: number } | undefined;
  return {
    name,
    async read(monoMs) {
      const seen = await look();
      const before = last;
      last = { seen, atMs: monoMs };
      return before === undefined ? [] : compare(before.seen, seen, monoMs - before.atMs);
    },
  };
}

/** All sources of this machine. */
export function hostSources({ proc, sys }: HostPaths): Source[] {
  const text = (...path: string[]) => readFile(join(...path), "utf8");
  const network = { inName: "host.network.received", outName: "host.network.sent", label: "interface" };
  const disk = { inName: "host.disk.read", outName: "host.disk.written", label: "device" };

  async function blockDevices(): Promise<ReadonlySet<string>> {
    // Whole devices only: their partitions would count everything twice, and loop devices do so again.
    const names = await readdir(join(sys, "block"));
    return new Set(names.filter((name) => !/^(loop|ram|zram)/.test(name)));
  }

  async function space(): Promise<Figure[]> {
    const figures: Figure[] = [];
    for (const { path } of parseMounts(await text(proc, "self/mountinfo"))) {
      // A mount may be gone again, or closed to us; the others still count.
      const found = await statfs(path).catch(() => undefined);
      if (found !== undefined && found.blocks > 0) figures.push(...spaceFigures(path, found));
    }
    return figures;
  }

  async function temperatures(): Promise<Figure[]> {
    const figures: Figure[] = [];
    const patterns = ["class/thermal/thermal_zone*/temp", "class/hwmon/hwmon*/temp*_input"];
    for await (const found of glob(patterns, { cwd: sys })) {
      if (figures.length >= sensorsMax) break;
      const path = join(sys, found);
      const kind = basename(path) === "temp" ? "type" : "name";
      // Some sensors answer EIO or EAGAIN while they sleep.
      const value = await text(path).catch(() => "");
      const name = await text(dirname(path), kind).catch(() => "");
      const place = kind === "type" ? basename(dirname(path)) : basename(path).replace("_input", "");
      figures.push(...temperatureFigures(`${name.trim() || basename(dirname(path))}/${place}`, value));
    }
    return figures;
  }

  return [
    differing("CPU", async () => parseStat(await text(proc, "stat")), cpuFigures),
    { name: "load", read: async () => loadFigures(parseNumbers(await text(proc, "loadavg"), 3)) },
    { name: "memory", read: async () => memoryFigures(parseMeminfo(await text(proc, "meminfo"))) },
    {
      name: "uptime",
      read: async () =>
        parseNumbers(await text(proc, "uptime"), 1).map((value) => ({ name: "host.uptime", unit: "s", value })),
    },
    { name: "disk space", read: space },
    differing(
      "disk traffic",
      async () => parseDiskstats(await text(proc, "diskstats"), await blockDevices()),
      (before, now, elapsedMs) => trafficFigures(before, now, elapsedMs, disk),
    ),
    differing(
      "network",
      async () => parseNetDev(await text(proc, "net/dev")),
      (before, now, elapsedMs) => trafficFigures(before, now, elapsedMs, network),
    ),
    { name: "temperature", read: temperatures },
  ];
}
