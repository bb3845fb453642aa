/** Carries `declare-lost` to the gateway that runs, or to the journal itself where none does. */
import { realEnv } from "../shared/env.ts";
import { openLog } from "../shared/log.ts";
import type { GatewayConfig } from "./config.ts";
import { askRunning, type Declaration, type Declared, declareLost } from "./declare-lost.ts";
import { openParts } from "./main.ts";

export async function declare(config: GatewayConfig, declaration: Declaration): Promise<Declared[]> {
  const answered = await askRunning(config.stateFolder, declaration);
  if (answered !== undefined) return answered;
  const log = openLog({ program: "holdfast-gateway", level: "warn" });
  const parts = await openParts(config, realEnv(), log, (fault) => log.error({ err: fault }, "the journal failed"));
  try {
    return await declareLost(parts.journal, declaration);
  } finally {
    await parts.close();
  }
}
