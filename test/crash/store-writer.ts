/**
 * The child of the damage tests: appends to a store as the agent's intake does, and says after each commit how far it
 * is. It is killed by its parent; where a commit fails it tries another reading alone, and then kills itself.
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

function append(first: number, count: number): void {
  const readings = Array.from({ length: count }, (_, i) => readingOf(first + i));
  store.append([{ stream, columns: gatherColumns(readings) }], [{ key: "c", value: String(first + count - 1) }]);
  writeSync(1, `${first + count - 1}\n`);
}

for (let next = Number(first), turn = 0; ; turn++) {
  // Sizes from single readings to blocks that need pages of their own.
  const count = turn % 7 === 6 ? 900 : 1 + ((turn * 13) % 60);
  try {
    append(next, count);
  } catch {
    writeSync(1, `refused ${next} ${next + count - 1}\n`);
    appendOnce(next + count);
    process.kill(process.pid, "SIGKILL");
  }
  next += count;
}

function appendOnce(id: number): void {
  try {
    append(id, 1);
  } catch {
    // As it should be: the store takes nothing more.
  }
}
