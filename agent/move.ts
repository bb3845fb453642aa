/** `move`: the agent leaves its group (PROTOCOL §7). Exactly once holds per group, so it leaves nothing half delivered. */
import type { Logger } from "pino";
import { realEnv } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { countText } from "../shared/human.ts";
import type { AgentConfig } from "./config.ts";
import { openStoreFile } from "./store/file.ts";
import { openStore } from "./store/store.ts";

/**
 * Changes the store of a stopped agent.
 * @returns what was done, for the operator
 * @throws Fault `locked` where the agent runs, `usage` where readings are not known to be forwarded
 */
export function move(config: AgentConfig, abandon: boolean, log: Logger): string {
  const env = realEnv();
  const { quotaBytes, cacheBytes } = config.store;
  const file = openStoreFile({ folder: config.stateFolder, cacheBytes, fileBytesMax: quotaBytes, env, log });
  try {
    const store = openStore(file.db, env, {
      streams: config.streams.map(({ quotaBytes: _, ...stream }) => stream),
      quotaBytes,
      quarantine: file.quarantine.keepBlock,
    });
    const group = store.group();
    if (group === null) return "the agent belongs to no group: it joins that of the first gateway it meets";
    const unsettled = store.lanes().filter((lane) => lane.last > 0);
    if (unsettled.length > 0 && !abandon) {
      const names = [...new Set(unsettled.map((lane) => lane.name))].join(", ");
      throw new Fault("usage", {
        what: `group ${group} has not reported everything as forwarded`,
        why: `the last readings of ${names} are not known to be in the queue`,
        // Readings that come in until the stop are told as forwarded only at the next start, so the inputs must be off.
        remedy:
          "switch every input off, run the agent until `status` says that the link is up and nothing waits, stop it and try again; if the group is gone, use --abandon",
      });
    }
    if (!abandon) {
      store.setGroup(null);
      return `the agent left group ${group}; it joins that of the next gateway it meets`;
    }
    store.abandonGroup();
    const again = [...store.usage().pending.values()].reduce((sum, { readings }) => sum + readings, 0);
    return `the agent abandoned group ${group}; ${countText(again)} readings are appended again, marked as repeated`;
  } finally {
    file.close();
  }
}
