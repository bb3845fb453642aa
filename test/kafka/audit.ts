/**
 * The audit of a line on Kafka: what producers were told against what Kafka's own consumer reads, and the order of each
 * series. It shares no code with the queue: only the demo's audit, and a witness in Java.
 */
import { type AuditResult, openAudit, passed, type Testimony } from "../../demo/audit.ts";
import { type WitnessedRecord, witness } from "../../demo/kafka/java.ts";
import { lineOf } from "../../demo/kafka/lines.ts";
import { readerOf } from "../../demo/memory.ts";

export interface KafkaAudit extends AuditResult {
  /** Records that stand behind a later one of their series, or in another partition than others of it. */
  readonly orderBreaks: number;
  /** The first of them. */
  readonly breaks: readonly string[];
}

/** A loaded machine may need so long for one fetch; nothing that came later would be counted. */
const idleMs = 10_000;
const breaksMax = 5;

/** Reads the topics and compares. Whoever calls it knows that nothing is being sent any more. */
export function auditTopics(bootstrap: string, topics: readonly string[], testimony: Testimony): Promise<KafkaAudit> {
  return auditClusters([bootstrap], topics, testimony);
}

/**
 * The same of several clusters together; order counts on each of them.
 * @param isRepeat tells of a record that it may stand there twice, and does: it is left out
 */
export async function auditClusters(
  bootstraps: readonly string[],
  topics: readonly string[],
  testimony: Testimony,
  isRepeat: (record: WitnessedRecord) => boolean = () => false,
): Promise<KafkaAudit> {
  const audit = openAudit(testimony, readerOf());
  const order = openOrder();
  // One cluster after the other: six consumers that start at once need longer for a fetch than each of them waits.
  for (const [at, bootstrap] of bootstraps.entries()) {
    await Promise.all(
      topics.map((topic) => {
        const take = (record: WitnessedRecord): void => {
          if (isRepeat(record)) return;
          audit.take(lineOf(record));
          order.take(`${at} ${topic}`, record);
        };
        return witness(bootstrap, topic, take, idleMs);
      }),
    );
  }
  return { ...audit.end(), ...order.end() };
}

/** Fails with the audit's own words where it found anything. */
export function refuseFindings(audit: KafkaAudit): void {
  if (passed(audit) && audit.orderBreaks === 0) return;
  const findings = audit.findings.map(({ kind, text }) => `${kind}: ${text}`);
  const counts = { ...audit.counts, orderBreaks: audit.orderBreaks };
  throw new Error([JSON.stringify(counts), ...findings, ...audit.breaks].join("\n"));
}

const header = ({ headers }: WitnessedRecord, name: string): string | undefined =>
  headers.find(([known]) => known === name)?.[1];

/** Producers number the attempts of a series, and an agent sends oldest first: numbers grow along a partition. */
function openOrder() {
  const last = new Map<string, { readonly partition: number; readonly value: number; readonly offset: number }>();
  const breaks: string[] = [];
  let orderBreaks = 0;
  return {
    take(topic: string, record: WitnessedRecord): void {
      if (header(record, "kind") !== undefined) return;
      const { partition, offset, key } = record;
      const { value } = JSON.parse(record.value ?? "") as { value: number };
      const series = `${topic} ${key}`;
      const before = last.get(series);
      last.set(series, { partition, value, offset });
      if (before === undefined || (before.partition === partition && before.value < value)) return;
      orderBreaks++;
      if (breaks.length < breaksMax) {
        const where = ({ partition: at, offset: on }: typeof before) => `partition ${at}, offset ${on}`;
        breaks.push(`${series}: ${value} at ${where(record as never)} after ${before.value} at ${where(before)}`);
      }
    },
    end: () => ({ orderBreaks, breaks }),
  };
}
