/** Carries a command to the gateway that runs, or to journal and queue themselves where none does. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { realEnv } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { openLog } from "../shared/log.ts";
import type { GatewayConfig } from "./config.ts";
import { askRunning } from "./control.ts";
import { openParts, type Parts } from "./parts.ts";

export interface Task<T> {
  /** Its name at the socket of the gateway. */
  readonly name: string;
  readonly body: unknown;
  /** How long the gateway may take. */
  readonly waitMs: number;
  /** The same without a gateway. */
  work(parts: Parts): Promise<T[]>;
}

const clustersMs = 30_000;

/** @throws Fault `usage`, `locked`, `unavailable`, or what the work says */
export async function askOrOpen<T>(config: GatewayConfig, { name, body, waitMs, work }: Task<T>): Promise<T[]> {
  const { stateFolder } = config;
  // A slip in the configuration must not make a new journal and a new queue.
  if (!existsSync(join(stateFolder, "journal.db"))) {
    throw new Fault("usage", {
      what: `there is no journal in ${stateFolder}`,
      remedy: "name the configuration of the gateway with --config",
    });
  }
  const answered = await askRunning(stateFolder, name, body, waitMs);
  if (answered !== undefined) return answered as T[];
  const log = openLog({ program: "holdfast-gateway", level: "warn" });
  const onFailed = (fault: Fault): void => log.error({ err: fault }, "the journal failed");
  const parts = await openParts({ config, env: realEnv(), log, signal: new AbortController().signal, onFailed });
  try {
    // Of two clusters each comes when it comes; what is asked for may concern either.
    const untilMs = performance.now() + clustersMs;
    while (parts.standby !== undefined && parts.standby.reach() !== "all" && performance.now() < untilMs)
      await sleep(100);
    return await work(parts);
  } finally {
    await parts.close();
  }
}
