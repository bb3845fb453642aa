/** The client for a standby that a mirror keeps. */
import type { Env } from "../../../../shared/env.ts";
import { type ClientOptions, connectCluster } from "../client/client.ts";
import { readSecurity } from "../client/security.ts";
import type { KafkaCluster } from "../cluster.ts";
import type { KafkaSettings } from "../settings.ts";

/**
 * Connects to the standby; whether it answers shows later.
 * @returns undefined where none is configured, or the gateway itself writes to it
 */
export async function connectMirror(
  { standby }: Pick<KafkaSettings, "standby">,
  env: Env,
  times: Pick<ClientOptions, "answerMs" | "patienceMs">,
): Promise<KafkaCluster | undefined> {
  if (standby?.form !== "mirror") return undefined;
  const { brokers, clientId, properties } = standby;
  const security = readSecurity(standby.security, properties, env);
  return await connectCluster({ brokers, clientId, properties, security, ...times, nowMs: env.monoMs });
}
