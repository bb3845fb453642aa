/** What `check` asks the cluster of a Kafka queue. It changes nothing there. */
import type { Env } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { countedText } from "../shared/human.ts";
import { exitCodes, type Voice } from "../shared/voice.ts";
import { openAdmin } from "./queue/kafka/client/admin.ts";
import { tryClient } from "./queue/kafka/client/client.ts";
import { readSecurity } from "./queue/kafka/client/security.ts";
import { ClusterError } from "./queue/kafka/cluster.ts";
import type { KafkaSettings } from "./queue/kafka/settings.ts";
import { inspectTopics } from "./queue/kafka/topics/topics.ts";

const answerMs = 5_000;

/** Says what stands in the queue's way, topic by topic. Returns the exit code. @throws Fault where the cluster cannot be asked */
export async function checkKafka(settings: KafkaSettings, env: Env, voice: Voice): Promise<number> {
  const { brokers, clientId, properties } = settings;
  const security = readSecurity(settings.security, properties, env);
  const admin = await openAdmin({ brokers, clientId, answerMs, security: security.second });
  try {
    await tryClient({ brokers, clientId, properties, security, answerMs });
    const { id, brokers: found } = await admin.cluster();
    const { findings, missing } = await inspectTopics(admin, settings);
    voice.optionFaults(findings.map((finding) => ({ ...finding, ...nowhere })));
    const faults = findings.filter(({ severity }) => severity === "fault").length;
    const warnings = findings.length - faults;
    for (const { name, partitions } of missing) {
      voice.say(`the topic ${name} is not there: a start makes it, with ${countedText(partitions, "partition")}`);
    }
    const counts = `${countedText(faults, "fault")}, ${countedText(warnings, "warning")}`;
    voice.say(`the cluster ${id}, ${countedText(found.length, "broker")}: ${counts}`);
    return faults === 0 ? exitCodes.ok : exitCodes.config;
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    throw new Fault(error.trouble === "refused" ? "unauthorised" : "unavailable", {
      what:
        error.trouble === "refused" ? "the Kafka cluster refuses this gateway" : "the Kafka cluster does not answer",
      why: error.message,
      remedy: "correct queue.kafka.brokers, tls or sasl; `check --offline` looks at the file alone",
      cause: error,
    });
  } finally {
    await admin.close();
  }
}

/** Findings about topics have no line in the file. */
const nowhere = { source: "", line: null, column: null, path: "" };
