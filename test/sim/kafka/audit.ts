/**
 * What must be true in the end: every reading in one record, those of a lane in order in each partition, and every replay
 * that was wished for in one more.
 */
import { letterId, spanOfId } from "../../../gateway/queue/dead-letters.ts";
import type { AgentLane } from "../../fakes/agent-lane.ts";
import type { FakeCluster } from "../../fakes/kafka-cluster.ts";
import { countedFormat, dataTopic, deadLetterTopic, isLarge, lossTopic } from "./counted-format.ts";

export interface AuditOptions {
  readonly cluster: FakeCluster;
  readonly namespace: string;
  readonly partitions: number;
  readonly lanes: readonly AgentLane[];
  /** Ids of dead letters that somebody was told to be replayed. */
  readonly replayed: ReadonlySet<string>;
  readonly say: (line: string) => void;
  readonly find: (kind: string, text: string) => void;
}

/** Every reading stands in one record, in order, and what was replayed in one more of each dead letter. */
export function auditTopics(options: AuditOptions): void {
  const { lanes, find } = options;
  const seen = recordsBySeq(options);
  for (const lane of lanes) {
    for (let seq = 1; seq <= lane.newest(); seq++) {
      const times = seen.get(`${lane.lane.agent} ${seq}`) ?? 0;
      if (times > 1) find("DOUBLE", `${lane.lane.agent} ${seq} stands ${times} times in the topics`);
      if (times === 0) find("HOLE", `${lane.lane.agent} ${seq} stands nowhere`);
    }
  }
  auditReplays(options, seen);
  auditOrder(options);
}

/** What somebody was told to be replayed is there, once. */
export function auditReplays(options: AuditOptions, seen = recordsBySeq(options)): void {
  const { replayed, find } = options;
  for (const id of replayed) {
    const { first, last } = spanOfId(id) ?? { first: 0, last: 0 };
    for (let seq = first; seq <= last; seq++) {
      const times = seen.get(`${id} ${seq}`) ?? 0;
      if (times > 1) find("REPLAYED-TWICE", `${seq} of ${id} was replayed ${times} times`);
      if (times === 0) find("REPLAY-LOST", `${seq} of ${id} was replayed, and stands nowhere`);
      if (times > 0 && !seen.has(`dead letter ${id}`))
        find("ORPHAN", `${seq} of ${id} was replayed, which is no dead letter`);
    }
  }
}

/**
 * A series has one partition, and so has a seq here: in each the readings of a lane go up. Replays, losses and dead
 * letters have no order, nor have readings that were dead letters until the cluster lost these.
 */
function auditOrder({ cluster, namespace, partitions, find }: AuditOptions): void {
  const { nameOf } = countedFormat(namespace, partitions);
  for (let partition = 0; partition < partitions; partition++) {
    const latest = new Map<string, number>();
    for (const { headers, offset } of cluster.committed({ topic: dataTopic, partition })) {
      const name = nameOf(headers);
      if (name === undefined || name === "foreign" || name.replay !== null || isLarge(name.first)) continue;
      const { agent } = name.lane;
      const before = latest.get(agent) ?? 0;
      if (name.first < before) {
        find("DISORDER", `${agent} ${name.first} stands behind ${before} at ${offset} of partition ${partition}`);
      }
      latest.set(agent, Math.max(before, name.last));
    }
  }
}

/** How many records there are of each seq: of an agent, or of a dead letter's replay. */
function recordsBySeq({ cluster, namespace, partitions, say }: AuditOptions): ReadonlyMap<string, number> {
  const { nameOf } = countedFormat(namespace, partitions);
  const seen = new Map<string, number>();
  const topics: [string, number][] = [
    [dataTopic, partitions],
    [lossTopic, 1],
    [deadLetterTopic, 1],
  ];
  for (const [topic, count] of topics) {
    for (let partition = 0; partition < count; partition++) {
      for (const { headers, offset } of cluster.committed({ topic, partition })) {
        const name = nameOf(headers);
        if (name === undefined || name === "foreign") continue;
        if (name.kind === "dead-letter") seen.set(`dead letter ${letterId(name.lane, name)}`, 1);
        for (let seq = name.first; seq <= name.last; seq++) {
          const key = `${name.replay ?? name.lane.agent} ${seq}`;
          seen.set(key, (seen.get(key) ?? 0) + 1);
          say(`   queue ${topic}/${partition}@${offset} ${key} t ${name.t}`);
        }
      }
    }
  }
  return seen;
}
