/**
 * The child of the damage tests: appends to a store as the agent's intake does, and says after each commit how far it
 * is. It is killed by its parent.
 */
import { writeSync } from "node:fs";
import { pino } from "pino";
import { openStoreFile } from "../../agent/store/file.ts";
import { openStore } from "../../agent/store/store.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import { realEnv } from "../../shared/env.ts";
import { readingOf, storeOptions, stream } from "./store-lines.ts";

const [folder = "", first = "1"] = process.argv.slice(2);
const env = realEnv();
const file = openStoreFile({ ...storeOptions, folder, env, log: pino({ level: "silent" }) });
const store = openStore(file.db, env, { ...storeOptions, quarantine: file.quarantine.keepBlock });

for (let next = Number(first), turn = 0; ; turn++) {
  // Sizes from single readings to blocks that need pages of their own.
  const count = turn % 7 === 6 ? 900 : 1 + ((turn * 13) % 60);
  const readings = Array.from({ length: count }, (_, i) => readingOf(next + i));
  store.append([{ stream, columns: gatherColumns(readings) }], [{ key: "c", value: String(next + count - 1) }]);
  next += count;
  writeSync(1, `${next - 1}\n`);
}
