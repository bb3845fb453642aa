/** The figures of a sample: what the host input calls things, their units, and how counters become rates. Pure. */
import type { CpuTicks, Traffic } from "./parse.ts";

/** One figure of a sample; it becomes a reading. Units are those of SenML (RFC 8428, RFC 8798). */
export interface Figure {
  readonly name: string;
  readonly unit: "%" | "B" | "B/s" | "Cel" | "s" | "1";
  readonly labels?: Record<string, string>;
  readonly value: number;
}

function round(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals;
}

/**
 * Shares of CPU time between two looks. A counter that went back, as when a CPU was taken away and given again, makes
 * no figure this time.
 */
export function cpuFigures(before: ReadonlyMap<string, CpuTicks>, now: ReadonlyMap<string, CpuTicks>): Figure[] {
  const figures: Figure[] = [];
  for (const [core, ticks] of now) {
    const last = before.get(core);
    if (last === undefined) continue;
    const total = ticks.total - last.total;
    const busy = ticks.busy - last.busy;
    const waiting = ticks.waiting - last.waiting;
    if (total <= 0 || busy < 0 || waiting < 0) continue;
    const used = round((100 * busy) / total, 2);
    if (core !== "") {
      figures.push({ name: "host.core.used", unit: "%", labels: { core }, value: used });
      continue;
    }
    figures.push({ name: "host.cpu.used", unit: "%", value: used });
    figures.push({ name: "host.cpu.waiting", unit: "%", value: round((100 * waiting) / total, 2) });
  }
  return figures;
}

/** What traffic is called. */
export interface TrafficNames {
  readonly inName: string;
  readonly outName: string;
  readonly label: string;
}

/** Bytes a second between two looks; a counter that went back, as after a driver was loaded anew, makes no figure. */
export function trafficFigures(
  before: readonly Traffic[],
  now: readonly Traffic[],
  elapsedMs: number,
  { inName, outName, label }: TrafficNames,
): Figure[] {
  const last = new Map(before.map((traffic) => [traffic.name, traffic]));
  const figures: Figure[] = [];
  for (const { name, inBytes, outBytes } of now) {
    const then = last.get(name);
    if (then === undefined || elapsedMs <= 0 || inBytes < then.inBytes || outBytes < then.outBytes) continue;
    const perSecond = (bytes: number) => Math.round((bytes * 1_000) / elapsedMs);
    const labels = { [label]: name };
    figures.push({ name: inName, unit: "B/s", labels, value: perSecond(inBytes - then.inBytes) });
    figures.push({ name: outName, unit: "B/s", labels, value: perSecond(outBytes - then.outBytes) });
  }
  return figures;
}

/** Memory and swap; "available" is the kernel's own estimate of what programs can still get. */
export function memoryFigures(sizes: ReadonlyMap<string, number>): Figure[] {
  const figures: Figure[] = [];
  const add = (name: string, value: number | undefined) => {
    if (value !== undefined && value >= 0) figures.push({ name, unit: "B", value });
  };
  const total = sizes.get("MemTotal");
  const available = sizes.get("MemAvailable");
  add("host.memory.total", total);
  add("host.memory.available", available);
  if (total !== undefined && available !== undefined) add("host.memory.used", total - available);
  const swap = sizes.get("SwapTotal") ?? 0;
  if (swap > 0) {
    add("host.swap.total", swap);
    add("host.swap.used", swap - (sizes.get("SwapFree") ?? swap));
  }
  return figures;
}

/** A file system, as statfs tells. */
export interface Space {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
}

/** Size, use and what is free for programs that are not root. */
export function spaceFigures(mount: string, { bsize, blocks, bfree, bavail }: Space): Figure[] {
  const labels = { mount };
  return [
    { name: "host.disk.size", unit: "B", labels, value: blocks * bsize },
    { name: "host.disk.used", unit: "B", labels, value: (blocks - bfree) * bsize },
    { name: "host.disk.free", unit: "B", labels, value: bavail * bsize },
  ];
}

/** The load averages. */
export function loadFigures(loads: readonly number[]): Figure[] {
  const names = ["host.load.1", "host.load.5", "host.load.15"];
  return loads.map((value, index) => ({ name: names[index] as string, unit: "1", value }));
}

/** A temperature in thousandths of a degree, as sysfs gives it; what no sensor on earth can mean is left out. */
export function temperatureFigures(sensor: string, text: string): Figure[] {
  const value = Number(text.trim()) / 1_000;
  if (text.trim() === "" || !(value > -100 && value < 300)) return [];
  return [{ name: "host.temperature", unit: "Cel", labels: { sensor }, value }];
}
