/**
 * `npm run bench`: every figure beside a bare engine that was measured in the same run.
 * Each row is in its own file; this one only lists them, prints the table and writes the JSON.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { openVoice } from "../shared/voice.ts";
import { appendRow } from "./append.ts";
import { sizeRows } from "./codec.ts";
import { backlogRows, deviceBytesRows, idleRow } from "./device.ts";
import { httpOneRows, httpRows } from "./intake.ts";
import { kafkaMissing } from "./kafka-broker.ts";
import { kafkaBatchesRow, kafkaReadingsRow } from "./kafka-drain.ts";
import { kafkaLatencyRows } from "./kafka-latency.ts";
import { kafkaMemoryRow } from "./kafka-memory.ts";
import { drainRow, lineRow } from "./line.ts";
import type { BenchContext, BenchRow } from "./row.ts";

type Measure = (context: BenchContext) => BenchRow[] | Promise<BenchRow[]>;

/** What is measured together, the ids it yields, and why it cannot be measured here, where it cannot. */
const measures: readonly {
  readonly ids: readonly string[];
  readonly measure: Measure;
  readonly missing?: () => string | undefined;
}[] = [
  { ids: ["append"], measure: appendRow },
  { ids: ["http-1000", "http-1000-lines"], measure: (context) => httpRows(context, 1_000) },
  { ids: ["http-100", "http-100-lines"], measure: (context) => httpRows(context, 100) },
  { ids: ["http-1-p50", "http-1-p99", "http-1-flash"], measure: httpOneRows },
  { ids: ["drain"], measure: drainRow },
  { ids: ["line"], measure: lineRow },
  { ids: ["wire-regular", "wire-jitter", "wire-host"], measure: ({ dataFolder }) => sizeRows(dataFolder) },
  { ids: ["device-bytes", "device-written"], measure: deviceBytesRows },
  { ids: ["rss-idle"], measure: idleRow },
  { ids: ["rss-backlog", "start-backlog"], measure: backlogRows },
  { ids: ["kafka-readings"], measure: kafkaReadingsRow, missing: kafkaMissing },
  { ids: ["kafka-batches"], measure: kafkaBatchesRow, missing: kafkaMissing },
  {
    ids: ["kafka-latency", "kafka-latency-p50", "kafka-latency-20ms", "kafka-latency-1s"],
    measure: kafkaLatencyRows,
    missing: kafkaMissing,
  },
  { ids: ["kafka-memory"], measure: kafkaMemoryRow, missing: kafkaMissing },
];

interface Options {
  readonly json?: string;
  readonly only?: string;
  readonly data?: string;
  readonly smoke?: boolean;
}

const voice = openVoice();

async function main(options: Options): Promise<void> {
  const { only, data, smoke = false } = options;
  const chosen = measures.filter(
    ({ ids }) => only === undefined || ids.some((id) => id === only || id.startsWith(`${only}-`)),
  );
  if (chosen.length === 0) throw new Error(`there is no row "${only}"`);
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  const ends: (() => Promise<void>)[] = [];
  const say = (text: string): void => voice.note(`  ${text}`);
  const context: BenchContext = { dataFolder: data, smoke, folder, say, atEnd: (end) => void ends.push(end) };
  const rows: BenchRow[] = [];
  const skipped: { ids: readonly string[]; why: string }[] = [];
  try {
    for (const { ids, measure, missing } of chosen) {
      const why = missing?.();
      if (why !== undefined) {
        voice.note(`skipping ${ids.join(", ")}: ${why}`);
        skipped.push({ ids, why });
        continue;
      }
      voice.note(`measuring ${ids.join(", ")}`);
      rows.push(...(await measure(context)));
    }
  } finally {
    for (const end of ends) await end();
    rmSync(folder, { recursive: true, force: true });
  }
  voice.table(
    ["row", "value", "unit", "target", "reference", "ratio", "least", "ok", "note"],
    rows.map(({ id, value, unit, target, reference, ratio, leastRatio, ok, note }) => [
      id,
      figure(value),
      unit,
      target === null ? "-" : figure(target),
      reference === null ? "-" : figure(reference),
      ratio === null ? "-" : ratio.toFixed(2),
      leastRatio === null ? "-" : String(leastRatio),
      ok === null ? "-" : ok ? "yes" : "no",
      note ?? "",
    ]),
  );
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ rows, skipped }, null, 2)}\n`);
}

function figure(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return value.toFixed(value < 10 ? 2 : 1);
}

await new Command("bench")
  .option("--json <file>", "write the rows as JSON")
  .option("--only <id>", "run one row")
  .option("--data <folder>", "CSV files (timestamp,value) for the codec rows; generated data otherwise")
  .option("--smoke", "a quick run that only shows that every row works")
  .action(main)
  .parseAsync();
