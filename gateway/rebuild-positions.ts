/**
 * `positions rebuild`: makes a lost positions topic of a Kafka queue anew, from the names of the records in the data and
 * from what the journal remembers as forwarded. Only while no gateway runs, and only into an empty topic.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Env } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { takeLock } from "../shared/lock.ts";
import { sizeOf } from "../shared/ranges.ts";
import { openDatabase } from "../shared/sqlite.ts";
import type { GatewayConfig } from "./config.ts";
import { knownGroup } from "./group.ts";
import { openLanes } from "./journal/lanes.ts";
import type { LanePosition } from "./queue/queue.ts";

export interface Rebuilt {
  readonly lanes: number;
  readonly seqs: number;
}

const cacheBytes = 4 * 1024 * 1024;

/** @throws Fault `usage`, `locked`, or what the cluster and its topics say */
export async function rebuildPositions(config: GatewayConfig, env: Env, log: Logger): Promise<Rebuilt> {
  const { queue: settings, stateFolder } = config;
  if (settings.engine !== "kafka") {
    throw new Fault("usage", { what: "the queue of this configuration is not on Kafka", remedy: "see --config" });
  }
  const groupId = config.groupId ?? knownGroup(stateFolder);
  if (groupId === null) {
    throw new Fault("usage", {
      what: `no group is known in ${stateFolder}`,
      why: "without it the agents would not know the queue again",
      remedy: "state it in the configuration, as group.id; `holdfast-agent status` shows it",
    });
  }
  const lock = takeLock(join(stateFolder, "journal.lock"), `the journal in ${stateFolder}`);
  try {
    const rebuild = forwardedIn(join(stateFolder, "journal.db"));
    const { openKafka } = await import("./queue/kafka/open.ts");
    const signal = new AbortController().signal;
    const queue = await openKafka({ settings, env, log, groupId, rebuild, signal });
    const positions = [...queue.positions()];
    await queue.close();
    return { lanes: positions.length, seqs: positions.reduce((sum, { forwarded }) => sum + sizeOf(forwarded), 0) };
  } finally {
    lock.release();
  }
}

/** What the journal knows as forwarded; nothing where there is no journal. */
function forwardedIn(path: string): LanePosition[] {
  if (!existsSync(path)) return [];
  const db = openDatabase(path, { cacheBytes });
  try {
    const lanes = openLanes(db);
    return lanes.ids().flatMap((id) => {
      const row = lanes.byId(id);
      if (row === undefined || row.forwarded.length === 0) return [];
      return { lane: row.lane, storeId: row.storeId ?? "", run: row.run, forwarded: row.forwarded };
    });
  } finally {
    db.close();
  }
}
