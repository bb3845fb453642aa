/** Carries `declare-lost` to the gateway that runs, or to the journal itself where none does. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { realEnv } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { openLog } from "../shared/log.ts";
import type { GatewayConfig } from "./config.ts";
import { askRunning } from "./control.ts";
import { type Declaration, type Declared, declareLost } from "./declare-lost.ts";
import { openParts } from "./main.ts";

/** @throws Fault `usage`, `locked`, `unavailable`, or what the journal says */
export async function declare(config: GatewayConfig, declaration: Declaration): Promise<Declared[]> {
  const { stateFolder } = config;
  // A slip in the configuration must not make a new journal and a new queue.
  if (!existsSync(join(stateFolder, "journal.db"))) {
    throw new Fault("usage", {
      what: `there is no journal in ${stateFolder}`,
      remedy: "name the configuration of the gateway with --config",
    });
  }
  const answered = await askRunning(stateFolder, declaration);
  if (answered !== undefined) return answered;
  const log = openLog({ program: "holdfast-gateway", level: "warn" });
  const parts = await openParts(config, realEnv(), log, new AbortController().signal, (fault) =>
    log.error({ err: fault }, "the journal failed"),
  );
  try {
    return await declareLost(parts.journal, declaration);
  } finally {
    await parts.close();
  }
}
