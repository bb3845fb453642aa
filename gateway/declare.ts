/** `declare-lost`, carried to the gateway that runs or to the journal itself. */
import { askOrOpen } from "./ask-or-open.ts";
import type { GatewayConfig } from "./config.ts";
import { type Declaration, type Declared, declareLost, declareTask } from "./declare-lost.ts";

/** One transaction per report, of which there may be thousands. */
const waitMs = 60_000;

/** @throws Fault as askOrOpen does */
export function declare(config: GatewayConfig, declaration: Declaration): Promise<Declared[]> {
  const work = { name: declareTask, body: declaration, waitMs };
  return askOrOpen(config, { ...work, work: ({ journal }) => declareLost(journal, declaration) });
}
