/** Takes batches into a journal and prints each answer as soon as it has it: what it printed must survive SIGKILL. */
import { writeSync } from "node:fs";
import { folderPlace } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import { realEnv } from "../../shared/env.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

const [folder, run] = process.argv.slice(2) as [string, string];
const env = realEnv();
const queue = fakeQueue().open();
const journal = await openSqliteJournal({ place: folderPlace(folder, env), env, quotaBytes: 1e9, queue, log: silent });
writeSync(1, `id ${journal.journalId()}\n`);
const lane = agentLane({ run: Number(run) });
for (;;) {
  const batches = Array.from({ length: 4 }, () => lane.batch([lane.block(3), lane.block(2)]));
  const answers = await Promise.all(batches.map((batch) => journal.take("pump-1", batch)));
  for (const { state } of answers) writeSync(1, `upto ${state?.journaled.at(-1)?.last}\n`);
}
