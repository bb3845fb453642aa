/**
 * `positions rebuild`: makes a lost positions topic of a Kafka queue anew, from the names of the records in the data and
 * from what the journal remembers as forwarded. Only while no gateway runs, and only into an empty topic.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import type { Env } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { takeLock } from "../shared/lock.ts";
import { sizeOf } from "../shared/ranges.ts";
import type { GatewayConfig } from "./config.ts";
import { knownGroup } from "./group.ts";
import { rememberedPositions } from "./journal/remembered.ts";

export interface Rebuilt {
  readonly lanes: number;
  readonly seqs: number;
}

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
    const rebuild = rememberedPositions(stateFolder) ?? [];
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
