/** Reads the dead letters of a Kafka queue from the cluster, beside whoever writes it: nobody is fenced by that. */
import type { Env } from "../../../shared/env.ts";
import type { FoundLetter } from "../dead-letters.ts";
import { connectCluster } from "./client/client.ts";
import { readSecurity } from "./client/security.ts";
import { lettersIn } from "./letters.ts";
import { nameReader } from "./records/record-names.ts";
import type { KafkaSettings } from "./settings.ts";
import { troubleFault } from "./trouble.ts";

const answerMs = 10_000;
const patienceMs = 30_000;

/** @throws Fault where the cluster cannot be read */
export async function* openLetters(settings: KafkaSettings, env: Env): AsyncGenerator<FoundLetter> {
  const { brokers, clientId, properties } = settings;
  const security = readSecurity(settings.security, properties, env);
  const client = { brokers, clientId, properties, security, answerMs, patienceMs, nowMs: env.monoMs };
  try {
    const cluster = await connectCluster(client);
    try {
      yield* lettersIn({ ...settings, cluster, nameOf: nameReader() });
    } finally {
      await cluster.close();
    }
  } catch (error) {
    throw troubleFault(error, settings.positionsTopic);
  }
}
