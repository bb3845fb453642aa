/** `append`: durable appends straight into the store, beside bare better-sqlite3 writing the same bytes. */
import { join } from "node:path";
import { encodeBlocks } from "../shared/block/encode.ts";
import { gatherColumns } from "../shared/block/gather.ts";
import { openDatabase } from "../shared/sqlite.ts";
import { countStored, openBenchStore, readingsFrom } from "./backlog.ts";
import { seeded } from "./bodies.ts";
import { countFsyncs } from "./fsyncs.ts";
import { type BenchContext, type BenchRow, row } from "./row.ts";

const perCall = 1_000;

export function appendRow(context: BenchContext): BenchRow[] {
  const calls = context.smoke ? 50 : 1_000;
  const rounds = context.smoke ? 1 : 5;
  const folder = join(context.folder, "append");
  const { store, close } = openBenchStore(folder);
  const random = seeded(3);
  const rates: number[] = [];
  const bareRates: number[] = [];
  const bare = openDatabase(join(context.folder, "bare.db"), { cacheBytes: 512 * 1024 });
  bare.exec("CREATE TABLE block(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
  const insert = bare.prepare("INSERT INTO block(bytes) VALUES (?)");
  for (let round = 0; round < rounds; round++) {
    const requests = Array.from({ length: calls }, (_, call) =>
      readingsFrom((round * calls + call) * perCall, perCall, random),
    );
    let startMs = performance.now();
    for (const readings of requests) {
      store.append([{ stream: "telemetry", columns: gatherColumns(readings) }], []);
    }
    rates.push((calls * perCall * 1000) / (performance.now() - startMs));
    const encoded = requests.map((readings) => encodeBlocks(gatherColumns(readings)));
    startMs = performance.now();
    for (const blocks of encoded)
      bare.transaction(() => {
        for (const { bytes } of blocks) insert.run(bytes);
      })();
    bareRates.push((calls * perCall * 1000) / (performance.now() - startMs));
  }
  close();
  bare.close();
  const counted = countStored(folder);
  if (counted !== rounds * calls * perCall) throw new Error(`${counted} readings are in the store`);
  return [
    row("append", "readings/s", "more", {
      value: median(rates),
      target: 2_000_000,
      reference: median(bareRates),
      leastRatio: 0.2,
      note: `${counted} readings counted by decoding; ${countFsyncs(context.folder, context.smoke ? 20 : 500)}`,
    }),
  ];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}
