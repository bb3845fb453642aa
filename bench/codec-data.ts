/** The blocks that the codec's size is measured on. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Reading } from "../shared/reading.ts";
import { seeded } from "./bodies.ts";

/** One series: when it starts and what was measured, in order. */
export interface Measured {
  readonly name: string;
  readonly startUs: number;
  readonly values: readonly number[];
}

/** Readings of one block, as the size figures are defined. */
const blockRows = 1000;
const periodUs = 300_000_000;
const jitterUs = 20_000;

/** Series from the CSV files (timestamp,value) of a folder, in order of their names. */
export function readMeasured(folder: string): Measured[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".csv"));
  return files.sort().map((file) => {
    const lines = readFileSync(join(folder, file), "utf8").trim().split("\n").slice(1);
    const startMs = Date.parse(`${lines[0]?.split(",")[0]?.replace(" ", "T")}Z`);
    const values = lines.map((line) => Number(line.split(",")[1]));
    return { name: file.slice(0, -4), startUs: startMs * 1000, values };
  });
}

/** Series of the same sorts, for who has no such files: the figures then tell nothing about the targets. */
export function makeMeasured(): Measured[] {
  const random = seeded(7);
  const walk = (decimals: number, step: number, pull: number) => {
    let level = 50;
    return Array.from({ length: 5000 }, () => {
      level += step * normal(random) + pull * (50 - level);
      return Number(level.toFixed(decimals));
    });
  };
  const startUs = 1_400_000_000_000_000;
  return [
    { name: "temperature", startUs, values: walk(8, 0.5, 0.01) },
    { name: "load", startUs, values: walk(3, 5, 0.5) },
    { name: "speed", startUs, values: walk(0, 4, 0.3) },
    { name: "written", startUs, values: walk(0, 4, 0.3).map((value) => Math.max(0, value - 55) * 4096) },
  ];
}

/** The series cut into blocks of 1,000 readings, at regular times or with 20 ms of normal jitter. */
export function blocksOf(measured: readonly Measured[], jitter: boolean): Reading[][] {
  const blocks: Reading[][] = [];
  for (const { name, startUs, values } of measured) {
    const random = seeded(1);
    const readings = values.map((value, i): Reading => {
      const offUs = jitter ? Math.round(jitterUs * normal(random)) : 0;
      return { name, timeUs: startUs + i * periodUs + offUs, value };
    });
    for (let at = 0; at < readings.length; at += blockRows) blocks.push(readings.slice(at, at + blockRows));
  }
  return blocks;
}

interface HostSample {
  /** When each round of samples was meant for, µs. */
  readonly times: readonly number[];
  readonly series: readonly { name: string; unit: string; labels: Record<string, string>; values: number[] }[];
}

/** Figures of a real machine, 60 series sampled every 10 s, in blocks of 1,000. */
export function hostBlocks(): Reading[][] {
  const sample = JSON.parse(readFileSync(new URL("host-sample.json", import.meta.url), "utf8")) as HostSample;
  const readings = sample.times.flatMap((timeUs, round) =>
    sample.series.map(({ name, unit, labels, values }): Reading => {
      return { name, unit, labels, timeUs, stamped: true, value: values[round] as number };
    }),
  );
  const blocks: Reading[][] = [];
  for (let at = 0; at + blockRows <= readings.length; at += blockRows) blocks.push(readings.slice(at, at + blockRows));
  return blocks;
}

/** What one append brings: 1,000 plain objects over 50 series, as they come out of JSON.parse. */
export function appendBatches(batches: number): Reading[][] {
  const random = seeded(3);
  return Array.from({ length: batches }, (_, batch) => {
    const readings = Array.from({ length: blockRows }, (_, row): Reading => {
      const series = row % 50;
      return {
        name: `line${series % 5}.machine${series}.temperature`,
        unit: "Cel",
        labels: { host: `edge-${series}`, site: "berlin" },
        timeUs: 1_760_000_000_000_000 + batch * 20_000_000 + Math.floor(row / 50) * 1_000_000,
        value: Number((20 + series + normal(random)).toFixed(2)),
      };
    });
    return JSON.parse(JSON.stringify(readings)) as Reading[];
  });
}

/** A normally distributed number (Box and Muller). */
function normal(random: () => number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}
