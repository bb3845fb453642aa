/** Opens the journal in a folder and closes it again; a named crash point may end it in between. */
import { folderPlace } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import { realEnv } from "../../shared/env.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

const [folder] = process.argv.slice(2) as [string];
const env = realEnv();
const queue = fakeQueue().open();
const journal = await openSqliteJournal({ place: folderPlace(folder, env), env, quotaBytes: 1e9, queue, log: silent });
await journal.close();
