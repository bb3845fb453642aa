/** What `check` asks the cluster of a Kafka queue. It changes nothing there. */
import type { Env } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { countedText } from "../shared/human.ts";
import { exitCodes, type Voice } from "../shared/voice.ts";
import { secondCluster } from "./config-kafka.ts";
import { openAdmin } from "./queue/kafka/client/admin.ts";
import { tryClient } from "./queue/kafka/client/client.ts";
import { openMetadata } from "./queue/kafka/client/metadata.ts";
import { readSecurity, type Security } from "./queue/kafka/client/security.ts";
import { ClusterError } from "./queue/kafka/cluster.ts";
import { beginningLost } from "./queue/kafka/refusals.ts";
import type { KafkaSettings } from "./queue/kafka/settings.ts";
import type { Finding } from "./queue/kafka/topics/topic-rules.ts";
import { inspectTopics } from "./queue/kafka/topics/topics.ts";

const answerMs = 5_000;

/** Checks the cluster, and the second one where there is one. Returns the exit code. @throws Fault as checkKafka does */
export async function checkClusters(settings: KafkaSettings, env: Env, voice: Voice): Promise<number> {
  const code = await checkKafka(settings, env, voice);
  if (settings.standby === null) return code;
  voice.say("");
  voice.say("the standby:");
  return Math.max(code, await checkKafka(secondCluster(settings, settings.standby), env, voice));
}

/** Says what stands in the queue's way, topic by topic. Returns the exit code. @throws Fault where the cluster cannot be asked */
async function checkKafka(settings: KafkaSettings, env: Env, voice: Voice): Promise<number> {
  const { brokers, clientId, properties } = settings;
  const security = readSecurity(settings.security, properties, env);
  const admin = await openAdmin({ brokers, clientId, answerMs, security: security.second });
  try {
    await tryClient({ brokers, clientId, properties, security, answerMs });
    const { id, brokers: found } = await admin.cluster();
    const { missing, ...inspected } = await inspectTopics(admin, settings);
    const findings = [...inspected.findings, ...(await lostBeginnings(settings, security))];
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

/** What a start finds only after it has taken the shards over. */
async function lostBeginnings(settings: KafkaSettings, security: Security): Promise<Finding[]> {
  const { brokers, clientId, positionsTopic: topic } = settings;
  const metadata = await openMetadata({ brokers, clientId, answerMs, security: security.second });
  try {
    const findings: Finding[] = [];
    const { partitions = 0 } = (await metadata.topics()).get(topic) ?? {};
    for (let partition = 0; partition < partitions; partition++) {
      const { low } = await metadata.watermarks({ topic, partition });
      if (low > 0) findings.push({ severity: "fault", topic, ...beginningLost({ topic, partition }, low) });
    }
    return findings;
  } finally {
    await metadata.close();
  }
}

/** Findings about topics have no line in the file. */
const nowhere = { source: "", line: null, column: null, path: "" };
