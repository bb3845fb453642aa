/**
 * Reads the texts of Linux' /proc. Pure, and forgiving: a line that does not look as expected is left out, since
 * kernels and containers differ, and a figure less is better than no sample.
 */

/** CPU time since boot, in ticks; ratios of differences are all that is made of them. */
export interface CpuTicks {
  readonly busy: number;
  readonly waiting: number;
  readonly total: number;
}

/** Bytes in and out since boot, of an interface or a block device. */
export interface Traffic {
  readonly name: string;
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface Mount {
  readonly path: string;
  /** Major and minor number: the same for all mounts of one file system. */
  readonly device: string;
}

const sectorBytes = 512;
/** Most items of one kind: a container host may have thousands of interfaces and mounts (I8). */
const itemsMax = 64;

function rowsOf(text: string): string[][] {
  return text.split("\n").map((line) => line.trim().split(/\s+/));
}

/** /proc/stat: ticks by CPU; the key of all together is the empty text. */
export function parseStat(text: string): Map<string, CpuTicks> {
  const cpus = new Map<string, CpuTicks>();
  for (const [key = "", ...fields] of rowsOf(text)) {
    if (!/^cpu\d*$/.test(key) || cpus.size > itemsMax) continue;
    // user nice system idle iowait irq softirq steal; guest time, which follows, is part of user already.
    const ticks = fields.slice(0, 8).map(Number);
    const total = ticks.reduce((sum, tick) => sum + tick, 0);
    const [, , , idle = 0, waiting = 0] = ticks;
    if (Number.isFinite(total)) cpus.set(key.slice(3), { busy: total - idle - waiting, waiting, total });
  }
  return cpus;
}

/** /proc/meminfo: bytes by key. */
export function parseMeminfo(text: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [key = "", size = "", unit] of rowsOf(text)) {
    if (unit === "kB" && /^\d+$/.test(size)) sizes.set(key.replace(":", ""), Number(size) * 1024);
  }
  return sizes;
}

/** The first `count` numbers of a text such as /proc/loadavg or /proc/uptime; empty where they are none. */
export function parseNumbers(text: string, count: number): number[] {
  const numbers = text.trim().split(/\s+/).slice(0, count).map(Number);
  return text.trim() !== "" && numbers.length === count && numbers.every(Number.isFinite) ? numbers : [];
}

/** /proc/net/dev: traffic by interface, without loopback. */
export function parseNetDev(text: string): Traffic[] {
  const traffic: Traffic[] = [];
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const fields = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const name = line.slice(0, Math.max(colon, 0)).trim();
    const [inBytes, outBytes] = [fields[0], fields[8]];
    if (name === "" || name === "lo" || inBytes === undefined || outBytes === undefined) continue;
    if (Number.isFinite(inBytes + outBytes)) traffic.push({ name, inBytes, outBytes });
  }
  return traffic.slice(0, itemsMax);
}

/** /proc/diskstats: bytes read and written by device, for the named devices only; those never used are left out. */
export function parseDiskstats(text: string, devices: ReadonlySet<string>): Traffic[] {
  const traffic: Traffic[] = [];
  for (const [, , name = "", , , read = "", , , , written = ""] of rowsOf(text)) {
    const inBytes = Number(read) * sectorBytes;
    const outBytes = Number(written) * sectorBytes;
    if (devices.has(name) && inBytes + outBytes > 0) traffic.push({ name, inBytes, outBytes });
  }
  return traffic.slice(0, itemsMax);
}

/** /proc/self/mountinfo: one mount of each file system that holds files on a disk, or is a container's root. */
export function parseMounts(text: string): Mount[] {
  const mounts = new Map<string, Mount>();
  for (const line of text.split("\n")) {
    const [left = "", right = ""] = line.split(" - ", 2);
    const [, , device = "", , path = ""] = left.split(" ");
    const [type = "", source = ""] = right.split(" ");
    const holdsFiles = source.startsWith("/dev/") || type === "zfs" || (type === "overlay" && path === "/");
    if (!holdsFiles || type === "squashfs" || type === "iso9660" || mounts.has(device)) continue;
    // The kernel writes blanks and the like as octal escapes.
    const plain = path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    mounts.set(device, { path: plain, device });
  }
  return [...mounts.values()].slice(0, itemsMax);
}
