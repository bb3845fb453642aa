/** Forwards all that waits in a journal, and ends. */
import { startForwarder } from "../../gateway/forwarder/forwarder.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { realEnv } from "../../shared/env.ts";
import { silent } from "./journal-in-memory.ts";

export async function forwardOnce(journal: Journal, queue: Queue): Promise<void> {
  const forwarder = startForwarder({ journal, queue, env: realEnv(), log: silent });
  await forwarder.idle();
  await forwarder.close();
}
